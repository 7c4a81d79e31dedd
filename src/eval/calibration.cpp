// Whether a classifier is right as often as it says.
#include <ATen/ops/full_like.h>
#include <ATen/ops/softmax.h>

#include <array>
#include <cmath>

#include "eval/mean_metric.h"
#include "eval/rows.h"

namespace dsc {
namespace {

// Confidences by bins of equal width. source: Naeini et al. 2015, AAAI; Guo et al. 2017, arXiv:1706.04599.
class Bins {
 public:
  void add(double confidence, double correct) {
    auto& bin = bins_[std::min(kBins - 1, static_cast<std::size_t>(confidence * kBins))];
    bin.confidence += confidence;
    bin.correct += correct;
    ++rows_;
  }
  double error() const {
    double sum = 0;
    for (const auto& bin : bins_) sum += std::abs(bin.confidence - bin.correct);
    return sum / std::max(1.0, rows_);
  }

 private:
  static constexpr std::size_t kBins = 15;
  struct Bin {
    double confidence = 0, correct = 0;
  };
  std::array<Bin, kBins> bins_;
  double rows_ = 0;
};

constexpr double kNone = -1;  // confidence of an example without a label

class CalibrationError final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    const auto [confidence, predicted] = at::softmax(rows.logits, 1).max(1);
    const at::Tensor confidences = confidence.to(at::kDouble).contiguous(), correct = (predicted == rows.labels).to(at::kDouble).contiguous(), labels = rows.labels.contiguous();
    const auto& examples = prediction.batch.indices;
    const bool row_is_example = static_cast<std::int64_t>(examples.size()) == labels.numel();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const bool counts = labels.const_data_ptr<std::int64_t>()[i] != kNoLabel;
      const double c = counts ? confidences.const_data_ptr<double>()[i] : kNone, right = correct.const_data_ptr<double>()[i];
      if (counts) bins_.add(c, right);
      if (row_is_example) outcomes_.set(examples[static_cast<std::size_t>(i)], c, right);
    }
  }
  double value() const override { return bins_.error(); }
  Outcomes outcomes() const override { return outcomes_; }

 private:
  Bins bins_;
  Outcomes outcomes_;
};

Figure calibration_error_of(const Outcomes& outcomes, const MetricSettings&) {
  return [&outcomes](std::span<const std::int64_t> examples) {
    Bins bins;
    for (const auto example : examples) {
      const auto i = static_cast<std::size_t>(example);
      if (outcomes.value[i] >= 0) bins.add(static_cast<double>(outcomes.value[i]), static_cast<double>(outcomes.against[i]));
    }
    return bins.error();
  };
}

// Squared distance of the probabilities from what happened, summed over classes. source: Brier 1950,
// doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
class Brier final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    const at::Tensor counted = rows.labels != kNoLabel, labels = rows.labels.clamp_min(0).unsqueeze(1);
    const at::Tensor wrong = at::softmax(rows.logits.to(at::kDouble), 1).scatter_add(1, labels, at::full_like(labels, -1, at::kDouble));
    return {wrong.square().sum(1).masked_fill(counted.logical_not(), 0), counted};
  }
};

}  // namespace

std::span<const MetricKind> calibration_metrics() {
  static constexpr MetricKind kKinds[] = {{"brier", make_metric_of<Brier>},
                                          {"ece", make_metric_of<CalibrationError>, calibration_error_of}};
  return kKinds;
}

}  // namespace dsc
