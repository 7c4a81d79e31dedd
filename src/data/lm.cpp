// Plain text in blocks of max_length tokens, for language models and for distillation without labels.
#include <algorithm>

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

}  // namespace

// Blocks with targets overlap by one token: each token but the file's first is predicted once.
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
  for (const auto block : select_examples(split, (usable + room - 1) / room)) {
    const auto begin = tokens.begin() + block * room, end = tokens.begin() + std::min((block + 1) * room, usable);
    examples.sequences.push_back(make_sequence(layout, TokenIds(begin, end), {}, config.max_length));
    if (next) examples.token_targets.emplace_back(begin + 1, end + 1);
  }
  examples.texts.resize(examples.sequences.size());
  examples.classes = next ? std::optional(tokenizer.facts().vocabulary) : std::nullopt;
  examples.description = describe_text(split, path) + ", " + std::to_string(examples.sequences.size()) + " blocks of " + std::to_string(config.max_length) + " tokens";
  return make_token_dataset(std::move(examples), split, tokenizer.facts());
}

}  // namespace dsc
