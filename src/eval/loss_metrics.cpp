// The loss that training minimises, as a metric.
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>

#include <cmath>

#include "eval/mean_metric.h"
#include "eval/ranking.h"
#include "eval/regression.h"
#include "eval/rows.h"

namespace dsc {
namespace {

// In nats.
RowScores cross_entropies(const Prediction& prediction) {
  const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
  const at::Tensor losses = at::cross_entropy_loss(rows.logits.to(at::kDouble), rows.labels, {}, at::Reduction::None, kNoLabel);
  if (!losses.isfinite().all().item<bool>()) fail_masked("the cross-entropy", "an example's own class has the score -inf, or all classes have");
  return {losses, rows.labels != kNoLabel};
}

// Binary, in nats, of each class.
RowScores binary_cross_entropies(const Prediction& prediction) {
  const at::Tensor scores = prediction.output.to(at::kDouble);
  return {
      at::binary_cross_entropy_with_logits(scores, expect_multi_label(prediction, "loss").to(at::kDouble), {}, {}, at::Reduction::None).reshape({-1}),
      {}};
}

// Cross-entropy for class labels, binary of several labels an example, mean squared error for real numbers.
class Loss final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const at::Tensor& target = prediction.batch.target;
    if (prediction.batch.multi_label) return binary_cross_entropies(prediction);
    return target.defined() && target.is_floating_point() ? squared_errors(prediction) : cross_entropies(prediction);
  }
};

class Perplexity final : public MeanMetric {
 public:
  double value() const override { return std::exp(mean()); }

 private:
  RowScores score(const Prediction& prediction) const override { return cross_entropies(prediction); }
};

Figure perplexity_of(const Outcomes& outcomes, const MetricSettings&) {
  return [mean = mean_figure(outcomes)](std::span<const std::int64_t> examples) { return std::exp(mean(examples)); };
}

}  // namespace

std::span<const MetricKind> loss_metrics() {
  static constexpr MetricKind kKinds[] = {{"loss", make_metric_of<Loss>}, {"perplexity", make_metric_of<Perplexity>, perplexity_of}};
  return kKinds;
}

}  // namespace dsc
