// Question answering: the best span of each question's windows against its answers, or the likeliest of its choices.
#include <ATen/Functions.h>

#include <algorithm>
#include <map>
#include <vector>

#include "data/answers.h"
#include "dscompress/error.h"
#include "eval/metric.h"
#include "eval/rows.h"
#include "ir/describe.h"
#include "text/answer_score.h"

namespace dsc {
namespace {

constexpr std::int64_t kLongestAnswer = 30;  // tokens, as in BERT's script

struct Span {
  float score = 0;
  std::string text;
};

using AnswerScore = double (*)(const std::string& given, const std::string& right);

template <AnswerScore score_of>
class Answers final : public Metric {
 public:
  explicit Answers(const Dataset& dataset) : dataset_(dataset) {
    if (!dataset.answers() || dataset.answers()->windows.empty()) throw Error(ErrorCode::data, "exact_match and answer_f1 are for question answering", {}, "use data of format squad");
  }

  void add(const Prediction& prediction) override {
    const at::Tensor& output = prediction.output;
    if (output.dim() != 3 || output.size(2) != 2) {
      throw Error(ErrorCode::data,
                  "question answering needs scores of starts and ends: two outputs [N, T], or one [N, T, 2]; found " + describe_sizes(output), {},
                  "export the model with --outputs start_logits,end_logits");
    }
    const at::Tensor scores = output.contiguous();
    for (std::int64_t i = 0; i < scores.size(0); ++i) {
      const auto& key = *dataset_.answers();
      const auto& window = key.windows[static_cast<std::size_t>(prediction.batch.indices[static_cast<std::size_t>(i)])];
      auto span = best_span(key, window, scores.const_data_ptr<float>() + i * scores.size(1) * 2);
      const auto [kept, added] = best_.emplace(window.question, span);
      if (!added && span.score > kept->second.score) kept->second = std::move(span);
    }
  }

  double value() const override {
    double sum = 0;
    for (const auto& [question, span] : best_) sum += score(question, span);
    return best_.empty() ? 0 : sum / static_cast<double>(best_.size());
  }

  // The examples are questions, not windows.
  Outcomes outcomes() const override {
    Outcomes outcomes;
    for (const auto& [question, span] : best_) outcomes.set(static_cast<std::int64_t>(question), score(question, span), 1);
    return outcomes;
  }

 private:
  double score(std::size_t question, const Span& span) const {
    double best = 0;
    for (const auto& answer : dataset_.answers()->questions[question].answers) {
      best = std::max(best, score_of(span.text, answer));
    }
    return best;
  }

  // scores: of start and end at each position, in turn.
  static Span best_span(const AnswerKey& key, const AnswerKey::Window& window, const float* scores) {
    std::int64_t start = -1, end = -1;
    float best = 0;
    const std::int64_t stop = window.position + window.tokens;
    for (std::int64_t s = window.position; s < stop; ++s) {
      for (std::int64_t e = s; e < std::min(stop, s + kLongestAnswer); ++e) {
        const float score = scores[2 * s] + scores[2 * e + 1];
        if (start >= 0 && score <= best) continue;
        best = score;
        start = s;
        end = e;
      }
    }
    return start < 0 ? Span{} : Span{best, key.text(window, start, end)};
  }

  const Dataset& dataset_;
  std::map<std::size_t, Span> best_;
};

// Share of the questions whose right choice has the largest sum of its tokens' log-probabilities, or the largest for each of its
// characters, as lm-evaluation-harness' acc and acc_norm.
template <bool for_each_character>
class Choices final : public Metric {
 public:
  explicit Choices(const Dataset& dataset) : dataset_(dataset) {
    if (dataset.answers() && !dataset.answers()->choices.empty()) return;
    throw Error(ErrorCode::data, "choice_acc and choice_acc_norm are for questions with choices", {}, "use data of format multiple_choice");
  }

  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    const auto places = (rows.labels != kNoLabel).nonzero().flatten();
    const at::Tensor labels = rows.labels.index_select(0, places);
    const at::Tensor likely = at::log_softmax(rows.logits.index_select(0, places).to(at::kDouble), 1).gather(1, labels.unsqueeze(1)).flatten();
    if (!likely.isfinite().all().item<bool>()) fail_masked("choice_acc", "a choice's own token has the score -inf, or all tokens have");
    at::Tensor sums = at::zeros({rows.labels.size(0) / rows.per_example}, at::kDouble);
    sums.index_add_(0, at::div(places, rows.per_example, "floor"), likely);
    for (std::size_t i = 0; i < prediction.batch.indices.size(); ++i) {
      sums_[static_cast<std::size_t>(prediction.batch.indices[i])] = sums.const_data_ptr<double>()[i];
    }
  }

  double value() const override {
    const auto found = best_choices();
    const auto right = std::count_if(found.begin(), found.end(), [](const auto& entry) { return entry.second.is_right; });
    return found.empty() ? 0 : static_cast<double>(right) / static_cast<double>(found.size());
  }

  // The examples are questions, not choices.
  Outcomes outcomes() const override {
    Outcomes outcomes;
    for (const auto& [question, best] : best_choices()) outcomes.set(static_cast<std::int64_t>(question), best.is_right ? 1 : 0, 1);
    return outcomes;
  }

 private:
  struct Best {
    double score = 0;
    bool is_right = false;
  };
  // The first of equals.
  std::map<std::size_t, Best> best_choices() const {
    std::map<std::size_t, Best> best;
    for (const auto& [example, sum] : sums_) {
      const auto& choice = dataset_.answers()->choices[example];
      const double score = for_each_character ? sum / static_cast<double>(choice.characters) : sum;
      const auto [kept, added] = best.emplace(choice.question, Best{score, choice.is_right});
      if (!added && score > kept->second.score) kept->second = {score, choice.is_right};
    }
    return best;
  }

  const Dataset& dataset_;
  std::map<std::size_t, double> sums_;  // by example
};

template <bool for_each_character>
std::unique_ptr<Metric> make_choices(const Dataset& dataset, const MetricSettings&) {
  return std::make_unique<Choices<for_each_character>>(dataset);
}

template <AnswerScore score_of>
std::unique_ptr<Metric> make_answers(const Dataset& dataset, const MetricSettings&) {
  return std::make_unique<Answers<score_of>>(dataset);
}

}  // namespace

std::span<const MetricKind> answer_metrics() {
  static constexpr MetricKind kKinds[] = {{"exact_match", make_answers<exact_match>}, {"answer_f1", make_answers<answer_f1>},
                                          {"choice_acc", make_choices<false>}, {"choice_acc_norm", make_choices<true>}};
  return kKinds;
}

}  // namespace dsc
