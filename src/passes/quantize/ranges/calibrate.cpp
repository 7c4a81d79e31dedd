#include "passes/quantize/ranges/calibrate.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "passes/quantize/ranges/growing_histogram.h"
#include "passes/quantize/ranges/samples.h"

namespace dsc::quantize {
namespace {

struct Statistics {
  double minimum = std::numeric_limits<double>::infinity(), maximum = -std::numeric_limits<double>::infinity();
  double mean_minimum = 0, mean_maximum = 0;  // moving averages
  bool seen = false;
};

void update(Statistics& s, double minimum, double maximum, double momentum) {
  s.minimum = std::min(s.minimum, minimum);
  s.maximum = std::max(s.maximum, maximum);
  s.mean_minimum = s.seen ? momentum * s.mean_minimum + (1 - momentum) * minimum : minimum;
  s.mean_maximum = s.seen ? momentum * s.mean_maximum + (1 - momentum) * maximum : maximum;
  s.seen = true;
}

[[noreturn]] void not_finite(const Value& value) {
  const std::string from = value.producer() ? value.producer()->target() : "input";
  throw Error(ErrorCode::numeric, "calibration found values that are not finite in %" + value.name() + " (" + from + ")",
              {.pointer = "%" + value.name()}, "check the model on this data with `eval`, or leave the module out with `skip`");
}

// All elements in a row, in the order in which memory has them: their statistics do not depend on it, and other orders are copies.
at::Tensor in_memory_order(const at::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? tensor.as_strided({tensor.numel()}, {1}) : tensor;
}

class Calibration {
 public:
  Calibration(const Model& model, const std::vector<RangeRequest>& requests, const CalibrationOptions& options, PassContext& context)
      : requests_(requests), samples_(options, context), executor_(model, {.device = context.device()}) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      by_value_[requests[i].value].push_back(i);
      if (info_of(requests[i].options.observer).needs_histogram) histograms_.try_emplace(requests[i].value);
    }
  }

  std::vector<Range> ranges() {
    statistics_.resize(requests_.size());
    std::vector<const Value*> values;
    for (const auto& [value, list] : by_value_) values.push_back(value);
    samples_.for_each([&](const std::vector<at::Tensor>& inputs) {
      executor_.run(inputs, values, [&](const Value& value, const at::Tensor& tensor) { see(value, tensor); });
    });
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < requests_.size(); ++i) ranges.push_back(range_of(i));
    return ranges;
  }

 private:
  void see(const Value& value, const at::Tensor& seen) {
    const at::Tensor tensor = in_memory_order(seen);
    const auto [minimum, maximum] = at::aminmax(tensor);
    const double low = minimum.item<double>(), high = maximum.item<double>();
    if (!std::isfinite(low) || !std::isfinite(high)) not_finite(value);
    for (const std::size_t i : by_value_.at(&value)) update(statistics_[i], low, high, requests_[i].options.momentum);
    if (const auto counted = histograms_.find(&value); counted != histograms_.end()) counted->second.add(tensor, low, high);
  }

  Range range_of(std::size_t i) const {
    const Statistics& s = statistics_[i];
    const auto& [value, options, zero_point] = requests_[i];
    const ObserverInfo& observer = info_of(options.observer);
    Seen seen{s.minimum, s.maximum, s.mean_minimum, s.mean_maximum};
    if (!observer.needs_histogram) return observer.range(seen, options, zero_point);
    if (!(s.maximum > s.minimum)) return {s.minimum, s.maximum};
    seen.histogram = histograms_.at(value).histogram();
    const Range found = observer.range(seen, options, zero_point);
    return {std::max(found.minimum, s.minimum), std::min(found.maximum, s.maximum)};  // the outermost bins reach further
  }

  const std::vector<RangeRequest>& requests_;
  Samples samples_;
  Executor executor_;
  std::unordered_map<const Value*, std::vector<std::size_t>> by_value_;
  std::vector<Statistics> statistics_;
  std::unordered_map<const Value*, GrowingHistogram> histograms_;
};

}  // namespace

std::vector<Range> calibrate(const Model& model, const std::vector<RangeRequest>& requests, const CalibrationOptions& options, PassContext& context) {
  return Calibration(model, requests, options, context).ranges();
}

}  // namespace dsc::quantize
