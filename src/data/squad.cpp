// SQuAD's JSON: questions about contexts, answered by a span of the context.
//
// An example is a question and its context, or with `overlap` one window of it. Its label is the pair of positions of the
// answer's first and last token in the sequence; (0, 0) where the answer is not inside, as Devlin et al. do.
// source: Rajpurkar et al. 2016, arXiv:1606.05250; Devlin et al. 2019, arXiv:1810.04805, section 4.2.
#include <ATen/ops/empty.h>

#include <algorithm>

#include "data/split.h"
#include "data/squad_read.h"
#include "data/tokens.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::int64_t kNowhere = 0;

// First and last token of the answer in its context.
struct TokenRange {
  std::int64_t first = -1, last = -1;
};

TokenRange tokens_of(const std::vector<TextSpan>& spans, const TextSpan& answer) {
  TokenRange range;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].end <= answer.begin || spans[i].begin >= answer.end) continue;
    if (range.first < 0) range.first = static_cast<std::int64_t>(i);
    range.last = static_cast<std::int64_t>(i);
  }
  return range;
}

struct Counts {
  std::int64_t cut_contexts = 0, cut_questions = 0, lost_answers = 0, uneven_answers = 0;
};

class SquadBuilder {
 public:
  SquadBuilder(const TextConfig& config, const SequenceTemplate& layout) : config_(config), layout_(layout), room_(config.max_length - layout.special_count()) {
    if (room_ < 8)
      throw Error(ErrorCode::data, "max_length " + std::to_string(config.max_length) + " leaves no room for questions and contexts", {},
                  "SQuAD is usually read with 384");
  }

  void add(const SquadQuestion& question, const TokenIds& question_tokens, AnswerKey& key) {
    const auto& context = key.contexts[key.questions.back().context];
    TokenIds asked = question_tokens;
    const auto most = static_cast<std::size_t>(room_ / 2);
    counts.cut_questions += asked.size() > most;
    if (asked.size() > most) asked.resize(most);
    const auto space = room_ - static_cast<std::int64_t>(asked.size());
    const auto total = static_cast<std::int64_t>(context.tokens.ids.size());
    const TokenRange answer = question.spans.empty() ? TokenRange{} : tokens_of(context.tokens.spans, question.spans.front());
    if (!question.spans.empty()) note_uneven(context, answer, question.spans.front());
    bool found = answer.first < 0;
    const std::int64_t step = config_.overlap ? std::max<std::int64_t>(1, space - *config_.overlap) : total + 1;
    for (std::int64_t begin = 0;; begin += step) {
      const std::int64_t end = std::min(begin + space, total);
      found |= add_window(asked, context, begin, end, answer, key);
      if (end == total || !config_.overlap) {
        counts.cut_contexts += end < total;
        break;
      }
    }
    counts.lost_answers += !found;
  }

  std::vector<TokenSequence> sequences;
  std::vector<std::pair<std::int64_t, std::int64_t>> targets;
  Counts counts;

 private:
  // Whether the answer is inside.
  bool add_window(const TokenIds& asked, const AnswerKey::Context& context, std::int64_t begin, std::int64_t end, const TokenRange& answer, AnswerKey& key) {
    const TokenIds part(context.tokens.ids.begin() + begin, context.tokens.ids.begin() + end);
    sequences.push_back(make_sequence(layout_, asked, part, config_.max_length, Truncation::second));
    const std::int64_t position = sequences.back().second_at;
    key.windows.push_back({key.questions.size() - 1, position, begin, end - begin});
    const bool inside = answer.first >= begin && answer.last < end && answer.first >= 0;
    targets.emplace_back(inside ? answer.first - begin + position : kNowhere, inside ? answer.last - begin + position : kNowhere);
    return inside;
  }

  void note_uneven(const AnswerKey::Context& context, const TokenRange& tokens, const TextSpan& answer) {
    if (tokens.first < 0) return;
    const auto &first = context.tokens.spans[static_cast<std::size_t>(tokens.first)], &last = context.tokens.spans[static_cast<std::size_t>(tokens.last)];
    counts.uneven_answers += first.begin != answer.begin || last.end != answer.end;
  }

  const TextConfig& config_;
  const SequenceTemplate& layout_;
  std::int64_t room_;
};

void add_notes(const Counts& counts, const AnswerKey& key, const TextConfig& config, std::vector<std::string>& notes) {
  const auto questions = std::to_string(key.questions.size()) + " questions";
  const auto add = [&](std::int64_t count, const std::string& what) {
    if (count > 0) notes.push_back(std::to_string(count) + " of " + questions + " " + what);
  };
  if (config.overlap) notes.push_back(std::to_string(key.windows.size()) + " windows of " + questions);
  add(counts.cut_contexts, "have their context cut to fit into " + std::to_string(config.max_length) + " tokens");
  add(counts.cut_questions, "are cut to half of max_length");
  add(counts.lost_answers, "have no answer in what is left of the context");
  add(counts.uneven_answers, "have an answer that begins or ends inside a word; its label is the whole word");
}

}  // namespace

std::unique_ptr<Dataset> open_squad(const SplitConfig& split) {
  const std::string path = locate_text(split, {".json"});
  const auto file = read_squad(path);
  const Tokenizer tokenizer(split.text.tokenizer.path);
  const auto tokenize = remembering(tokenizer, split.text.cache);
  auto key = std::make_unique<AnswerKey>();
  const auto chosen = select_examples(split, static_cast<std::int64_t>(file.questions.size()));
  std::vector<std::string> questions;
  for (const auto index : chosen) questions.push_back(file.questions[static_cast<std::size_t>(index)].text);
  const auto asked = tokenize(questions);
  auto located = locate_tokens(tokenize, file.contexts);
  for (std::size_t i = 0; i < file.contexts.size(); ++i) key->contexts.push_back({file.contexts[i], std::move(located[i])});

  SquadBuilder builder(split.text, tokenizer.facts().pair);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto& question = file.questions[static_cast<std::size_t>(chosen[i])];
    key->questions.push_back({question.id, question.text, question.context, question.answers});
    builder.add(question, asked[i], *key);
  }
  TokenExamples examples;
  examples.description = describe_text(split, path) + ", " + std::to_string(key->questions.size()) + " questions";
  add_notes(builder.counts, *key, split.text, examples.notes);
  examples.target = at::empty({static_cast<std::int64_t>(builder.targets.size()), 2}, at::kLong);
  auto* out = examples.target.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < builder.targets.size(); ++i) {
    *out++ = builder.targets[i].first;
    *out++ = builder.targets[i].second;
    const auto& question = key->questions[key->windows[i].question];
    examples.texts.push_back(question.text + " | " + key->contexts[question.context].text);
  }
  examples.sequences = std::move(builder.sequences);
  examples.answers = std::move(key);
  return make_token_dataset(std::move(examples), split, tokenizer.facts());
}

}  // namespace dsc
