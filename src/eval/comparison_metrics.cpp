// How close a model's predictions are to the base model's.
#include <ATen/ops/argmax.h>
#include <ATen/ops/log_softmax.h>

#include "dscompress/error.h"
#include "eval/mean_metric.h"
#include "eval/rows.h"

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

}  // namespace

std::span<const MetricKind> comparison_metrics() {
  static constexpr MetricKind kKinds[] = {{"agreement", make_metric_of<Agreement>}, {"kl", make_metric_of<Divergence>}};
  return kKinds;
}

}  // namespace dsc
