// Metrics of outputs that run over time.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "eval/regression.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// Dynamic time warping: the least sum of squared distances over all ways to walk both series forward together, as a distance.
// a, b: [steps * width]. source: Sakoe and Chiba 1978, doi:10.1109/TASSP.1978.1163055, without slope constraint.
double warped_distance(const double* a, const double* b, std::int64_t steps, std::int64_t width) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  std::vector<double> before(static_cast<std::size_t>(steps) + 1, kFar), now(before.size(), kFar);
  before.front() = 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    now.front() = kFar;
    for (std::int64_t j = 0; j < steps; ++j) {
      double cost = 0;
      for (std::int64_t w = 0; w < width; ++w) cost += (a[i * width + w] - b[j * width + w]) * (a[i * width + w] - b[j * width + w]);
      const auto at = static_cast<std::size_t>(j);
      now[at + 1] = cost + std::min({before[at], before[at + 1], now[at]});
    }
    std::swap(before, now);
  }
  return std::sqrt(before.back());
}

// Of outputs [N, steps] or [N, steps, width] from targets of the same shape.
class TimeWarping final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const at::Tensor predicted = predicted_numbers(prediction).to(at::kDouble).contiguous(), wanted = prediction.batch.target.to(at::kDouble).contiguous();
    if (predicted.dim() < 2 || predicted.dim() > 3) {
      throw Error(ErrorCode::data, "metric `dtw` compares series of shape [N, steps] or [N, steps, width], and the output has " + describe_sizes(predicted), {}, "use mse or mae");
    }
    const std::int64_t steps = predicted.size(1), width = predicted.dim() == 3 ? predicted.size(2) : 1;
    const at::Tensor distances = at::empty({predicted.size(0)}, at::kDouble);
    for (std::int64_t i = 0; i < predicted.size(0); ++i) {
      const std::int64_t start = i * steps * width;
      distances.mutable_data_ptr<double>()[i] = warped_distance(predicted.const_data_ptr<double>() + start, wanted.const_data_ptr<double>() + start, steps, width);
    }
    return {distances, {}};
  }
};

}  // namespace

std::span<const MetricKind> sequence_metrics() {
  static constexpr MetricKind kKinds[] = {{"dtw", make_metric_of<TimeWarping>}};
  return kKinds;
}

}  // namespace dsc
