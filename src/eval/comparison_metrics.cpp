// How close a model's predictions are to the base model's.
#include <ATen/Functions.h>
#include <ATen/TensorIndexing.h>

#include <algorithm>
#include <vector>

#include "data/matching_output.h"
#include "dscompress/error.h"
#include "eval/greedy.h"
#include "eval/mean_metric.h"
#include "eval/rows.h"
#include "ir/describe.h"

namespace dsc {
namespace {

struct Pair {
  at::Tensor mine, theirs;  // [rows, classes]
  at::Tensor counted;       // [rows]: positions with a label; undefined: all
};

Pair rows_of(const Prediction& prediction) {
  if (prediction.output.sizes() != prediction.reference.sizes()) throw Error(ErrorCode::data, "the outputs of the two models have different shapes");
  const at::Tensor& target = prediction.batch.target;
  const bool labelled = target.defined() && target.scalar_type() == at::kLong && prediction.output.dim() == target.dim() + 1;
  const at::Tensor labels = labelled ? target : at::Tensor();
  const Rows mine = make_rows(prediction.output, labels), theirs = make_rows(prediction.reference, labels);
  return {mine.logits, theirs.logits, labelled ? mine.labels != kNoLabel : at::Tensor()};
}

// Only rows that count keep their score.
RowScores masked(const at::Tensor& score, const at::Tensor& counted) {
  return {counted.defined() ? score.masked_fill(counted.logical_not(), 0) : score, counted};
}

// Share of rows with the same best class.
class Agreement final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const Pair rows = rows_of(prediction);
    return masked((rows.mine.argmax(1) == rows.theirs.argmax(1)).to(at::kDouble), rows.counted);
  }
};

// Mean of KL(base || model) in nats.
class Divergence final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const Pair rows = rows_of(prediction);
    const at::Tensor mine = at::log_softmax(rows.mine.to(at::kDouble), 1), theirs = at::log_softmax(rows.theirs.to(at::kDouble), 1);
    const at::Tensor impossible = theirs.isneginf();  // to the base: the limit of 0 * log 0 is 0
    const at::Tensor sums = (theirs.exp() * (theirs.masked_fill(impossible, 0) - mine.masked_fill(impossible, 0))).sum(1);
    RowScores scores = masked(sums, rows.counted);
    if (!scores.score.isfinite().all().item<bool>()) fail_masked("kl", "the model gives a class -inf that the base model does not, or all classes");
    return scores;
  }
};

// Share of equal tokens where both models continue the first half of each text, each on its own, by the most likely token: up to 32
// tokens, no further than the text is long. Texts are run again for every token, filled up on the right, which a causal model does not see.
class Continuations final : public MeanMetric {
 public:
  explicit Continuations(const Dataset& dataset) { places_ = language_inputs(dataset.info(), "continuation_agreement"); }

 private:
  static constexpr std::int64_t kTokens = 32;

  RowScores score(const Prediction& prediction) const override {
    const auto examples = static_cast<std::int64_t>(prediction.batch.indices.size());
    const at::Tensor& ids = prediction.batch.inputs.at(places_.ids);
    const at::Tensor lengths =
        places_.mask ? prediction.batch.inputs.at(*places_.mask).to(at::kLong).sum(1) : at::full({ids.size(0)}, ids.size(1), at::kLong);
    const at::Tensor starts = at::div(lengths, 2, "floor").clamp_min(1);
    const at::Tensor steps = at::arange(kTokens).unsqueeze(0) + starts.unsqueeze(1), counted = steps < lengths.unsqueeze(1);  // [N, tokens]
    const at::Tensor places = steps.clamp_max(ids.size(1) - 1);
    const at::Tensor mine = continued(*prediction.engine, prediction.batch, places, counted), theirs = continued(*prediction.reference_engine, prediction.batch, places, counted);
    return masked((mine == theirs).to(at::kDouble).narrow(0, 0, examples).flatten(), counted.narrow(0, 0, examples).flatten());
  }

  // [N, tokens]: what the model writes at `places`.
  at::Tensor continued(Engine& engine, const Batch& batch, const at::Tensor& places, const at::Tensor& counted) const {
    std::vector<at::Tensor> inputs = batch.inputs;
    at::Tensor ids = inputs[places_.ids].clone();
    inputs[places_.ids] = ids;
    const at::Tensor rows = at::arange(ids.size(0));
    for (std::int64_t step = 0; step < kTokens && counted.select(1, step).any().item<bool>(); ++step) {
      const at::Tensor column = places.select(1, step);
      const at::Tensor output = matching_output(engine.run(inputs), batch.target).to(at::kCPU);
      if (output.dim() != 3) throw Error(ErrorCode::data, "continuation_agreement needs scores of tokens [N, T, vocabulary]; found " + describe_sizes(output));
      const at::Tensor token = output.index({rows, column - 1}).argmax(1), kept = ids.index({rows, column});
      ids.index_put_({rows, column}, at::where(counted.select(1, step), token.to(ids.scalar_type()), kept));
    }
    return ids.gather(1, places);
  }

  LanguageInputs places_;
};

std::unique_ptr<Metric> make_continuations(const Dataset& dataset, const MetricSettings&) { return std::make_unique<Continuations>(dataset); }

}  // namespace

std::span<const MetricKind> comparison_metrics() {
  static constexpr MetricKind kKinds[] = {{"agreement", make_metric_of<Agreement>}, {"kl", make_metric_of<Divergence>}, {"continuation_agreement", make_continuations}};
  return kKinds;
}

}  // namespace dsc
