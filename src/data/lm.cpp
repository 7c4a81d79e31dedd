// Plain text in blocks of max_length tokens, for language models and for distillation without labels.
#include <algorithm>

#include "data/class_dimension.h"
#include "data/split.h"
#include "data/tokens.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

// Lines with their line ends, which some tokenisers keep.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

TokenIds join(const std::vector<TokenIds>& lines) {
  TokenIds all;
  for (const auto& line : lines) all.insert(all.end(), line.begin(), line.end());
  return all;
}

// A stretch of the tokens, and from where on it is to predict.
struct Window {
  std::int64_t begin = 0, end = 0, predicted = 0;
};

// Each predicts what the one before did not reach; the last ends with the text.
std::vector<Window> windows_over(std::int64_t tokens, std::int64_t length, std::int64_t stride) {
  std::vector<Window> windows;
  for (std::int64_t begin = 0, predicted = 0; predicted < tokens; begin += stride) {
    windows.push_back({begin, std::min(begin + length, tokens), predicted});
    predicted = windows.back().end;
  }
  return windows;
}

// Of the tokens after those of the window.
TokenIds targets_of(const TokenIds& tokens, const Window& window) {
  TokenIds targets(tokens.begin() + window.begin + 1, tokens.begin() + window.end + 1);
  std::fill_n(targets.begin(), window.predicted - window.begin, static_cast<TokenIds::value_type>(kNoLabel));
  return targets;
}

}  // namespace

// Targets are one token further than what they are predicted from: each token but the file's first is predicted once.
std::unique_ptr<Dataset> open_lm(const SplitConfig& split) {
  const auto& config = split.text;
  const std::string path = locate_text(split, {".txt"});
  const Tokenizer tokenizer(config.tokenizer.path);
  const auto tokens = join(remembering(tokenizer, config.cache)(lines_of(read_utf8(path))));
  const bool next = config.targets == LmTargets::next;
  const SequenceTemplate layout = next ? SequenceTemplate("A:0") : tokenizer.facts().single;
  const std::int64_t room = config.max_length - layout.special_count();
  const std::int64_t usable = static_cast<std::int64_t>(tokens.size()) - (next ? 1 : 0);
  if (room < 1) throw Error(ErrorCode::data, "max_length leaves no room for text beside special tokens", {}, "give at least " + std::to_string(layout.special_count() + 1));
  if (usable < 1) throw Error(ErrorCode::data, "the file has too little text: " + std::to_string(tokens.size()) + " tokens", {.file = path}, "give more text");

  TokenExamples examples;
  const auto windows = windows_over(usable, room, config.stride.value_or(room));
  for (const auto chosen : select_examples(split, static_cast<std::int64_t>(windows.size()))) {
    const Window& window = windows[static_cast<std::size_t>(chosen)];
    examples.sequences.push_back(make_sequence(layout, TokenIds(tokens.begin() + window.begin, tokens.begin() + window.end), {}, config.max_length));
    if (next) examples.token_targets.push_back(targets_of(tokens, window));
  }
  examples.texts.resize(examples.sequences.size());
  examples.classes = next ? std::optional(tokenizer.facts().vocabulary) : std::nullopt;
  examples.description = describe_text(split, path) + ", " + std::to_string(examples.sequences.size()) + (config.stride ? " windows of " : " blocks of ") + std::to_string(config.max_length) + " tokens";
  return make_token_dataset(std::move(examples), split, tokenizer.facts());
}

}  // namespace dsc
