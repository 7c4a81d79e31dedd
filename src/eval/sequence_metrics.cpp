// Metrics of outputs that run over time.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <optional>
#include <string>
#include <vector>

#include "data/class_dimension.h"
#include "dscompress/error.h"
#include "eval/regression.h"
#include "eval/warping.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// Outputs [N, steps] or [N, steps, width] as [N, steps, width] of f64. errors: data.
at::Tensor as_series(const at::Tensor& values, const std::string& metric) {
  if (values.dim() < 2 || values.dim() > 3 || values.size(1) == 0) {
    throw Error(ErrorCode::data,
                "metric `" + metric + "` compares series of shape [N, steps] or [N, steps, width], and the output has " + describe_sizes(values), {},
                "use mse or mae");
  }
  return (values.dim() == 2 ? values.unsqueeze(2) : values).to(at::kDouble).contiguous();
}

// Of outputs from targets of the same shape.
template <class Distance>
RowScores distances(const Prediction& prediction, const std::string& metric, Distance distance) {
  const at::Tensor predicted = as_series(predicted_numbers(prediction), metric), wanted = as_series(prediction.batch.target, metric);
  const std::int64_t steps = predicted.size(1), width = predicted.size(2);
  const at::Tensor found = at::empty({predicted.size(0)}, at::kDouble);
  for (std::int64_t i = 0; i < predicted.size(0); ++i) {
    const std::int64_t start = i * steps * width;
    found.mutable_data_ptr<double>()[i] =
        distance(SeriesPair{predicted.const_data_ptr<double>() + start, wanted.const_data_ptr<double>() + start, steps, width});
  }
  return {found, {}};
}

std::int64_t band_of(const MetricSettings& settings) { return static_cast<std::int64_t>(settings.find("band")->second); }

class Warping final : public MeanMetric {
 public:
  explicit Warping(const MetricSettings& settings) : band_(band_of(settings)) {}

 private:
  RowScores score(const Prediction& prediction) const override {
    return distances(prediction, "dtw", [&](const SeriesPair& pair) { return warped_distance(pair, band_); });
  }
  std::int64_t band_;
};

class SoftWarping final : public MeanMetric {
 public:
  explicit SoftWarping(const MetricSettings& settings) : gamma_(settings.find("gamma")->second) {}

 private:
  RowScores score(const Prediction& prediction) const override {
    return distances(prediction, "soft_dtw", [&](const SeriesPair& pair) { return soft_warped_distance(pair, gamma_); });
  }
  double gamma_;
};

// Share of the examples whose nearest other one by dynamic time warping of the outputs has the same class: how well series that a model
// gives keep classes apart, without any head.
class NearestByWarping final : public Metric {
 public:
  explicit NearestByWarping(const MetricSettings& settings) : band_(band_of(settings)) {}

  void add(const Prediction& prediction) override {
    const at::Tensor& target = prediction.batch.target;
    if (!target.defined() || target.scalar_type() != at::kLong || target.dim() != 1) {
      throw Error(ErrorCode::data, "metric `dtw_1nn` needs one class label for each example", {}, "give labels, or use dtw with series as targets");
    }
    outputs_.push_back(as_series(prediction.output, "dtw_1nn"));
    labels_.push_back(target);
    examples_.insert(examples_.end(), prediction.batch.indices.begin(), prediction.batch.indices.end());
  }
  double value() const override {
    double right = 0, count = 0;
    for (const bool is_right : judged()) {
      right += is_right ? 1 : 0;
      count += 1;
    }
    return right / count;
  }
  Outcomes outcomes() const override {
    Outcomes outcomes;
    for (std::size_t i = 0; i < examples_.size(); ++i) outcomes.set(examples_[i], judged()[i] ? 1 : 0, 1);
    return outcomes;
  }

 private:
  const std::vector<bool>& judged() const {
    if (judged_) return *judged_;
    const at::Tensor series = at::cat(outputs_), labels = at::cat(labels_).contiguous();
    if (series.size(0) < 2)
      throw Error(ErrorCode::data, "metric `dtw_1nn` looks for another example, and there is one alone", {}, "give more examples");
    judged_.emplace();
    const auto* label = labels.const_data_ptr<std::int64_t>();
    const auto nearest = nearest_by_warping(series, series, band_, true);
    for (std::size_t i = 0; i < nearest.size(); ++i) judged_->push_back(label[i] == label[nearest[i]]);
    return *judged_;
  }

  std::int64_t band_;
  std::vector<at::Tensor> outputs_, labels_;
  std::vector<std::int64_t> examples_;
  mutable std::optional<std::vector<bool>> judged_;  // costs the square of the examples
};

}  // namespace

std::span<const MetricKind> sequence_metrics() {
  static constexpr MetricKind kKinds[] = {
      {"dtw", make_metric_with<Warping>}, {"soft_dtw", make_metric_with<SoftWarping>}, {"dtw_1nn", make_metric_with<NearestByWarping>}};
  return kKinds;
}

}  // namespace dsc
