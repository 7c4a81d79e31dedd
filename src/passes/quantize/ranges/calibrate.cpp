#include "passes/quantize/ranges/calibrate.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "passes/quantize/ranges/growing_histogram.h"
#include "passes/quantize/ranges/samples.h"
#include "train/parallel.h"

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
      : requests_(requests), ranks_(ranks_of(context)), samples_(options, context), executor_(model, {.device = context.device()}) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      auto& of_value = by_value_[requests[i].value];
      if (of_value.empty()) values_.push_back(requests[i].value);
      of_value.push_back(i);
      if (info_of(requests[i].options.observer).needs_histogram) histograms_.try_emplace(requests[i].value);
    }
  }

  std::vector<Range> ranges() {
    std::vector<at::Tensor> ends;
    samples_.for_each(ranks_, [&](const std::vector<at::Tensor>& inputs) {
      const at::Tensor& of_batch = ends.emplace_back(at::empty({std::ssize(values_), 2}, at::kDouble));
      of_batch.select(1, 0).fill_(std::numeric_limits<double>::infinity());  // of what the batch does not reach
      of_batch.select(1, 1).fill_(-std::numeric_limits<double>::infinity());
      executor_.run(inputs, values_, [&](const Value& value, const at::Tensor& tensor) { see(value, tensor, of_batch); });
    });
    statistics_.resize(requests_.size());
    add_ends(ends);
    add_histograms();
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < requests_.size(); ++i) ranges.push_back(range_of(i));
    return ranges;
  }

 private:
  // ends: [values, 2], filled in.
  void see(const Value& value, const at::Tensor& seen, const at::Tensor& ends) {
    const at::Tensor tensor = in_memory_order(seen);
    const auto [minimum, maximum] = at::aminmax(tensor);
    const double low = minimum.item<double>(), high = maximum.item<double>();
    if (!std::isfinite(low) || !std::isfinite(high)) not_finite(value);
    const auto place = std::ranges::find(values_, &value) - values_.begin();
    auto* to = ends.mutable_data_ptr<double>() + 2 * place;
    to[0] = std::min(to[0], low);
    to[1] = std::max(to[1], high);
    if (const auto counted = histograms_.find(&value); counted != histograms_.end()) counted->second.add(tensor, low, high);
  }

  // All ranks' batches in their order, on which moving averages depend: ranges are the same bytes as one process finds.
  void add_ends(const std::vector<at::Tensor>& own) {
    const at::Tensor count = at::tensor({std::ssize(own)}, at::kLong);
    ranks_.sum({count});
    for (std::int64_t batch = 0; batch < count.item<std::int64_t>(); ++batch) {
      const std::int64_t from = batch % ranks_.size();
      const at::Tensor ends = ranks_.from(from, from == ranks_.rank() ? own[static_cast<std::size_t>(batch / ranks_.size())] : at::Tensor());
      const auto* pair = ends.const_data_ptr<double>();
      for (std::size_t v = 0; v < values_.size(); ++v, pair += 2) {
        if (pair[0] > pair[1]) continue;
        for (const std::size_t i : by_value_.at(values_[v])) update(statistics_[i], pair[0], pair[1], requests_[i].options.momentum);
      }
    }
  }

  void add_histograms() {
    if (ranks_.is_alone()) return;
    for (const Value* value : values_) {
      const auto own = histograms_.find(value);
      if (own == histograms_.end()) continue;
      const Statistics& whole = statistics_[by_value_.at(value).front()];
      GrowingHistogram all;
      for (std::int64_t rank = 0; rank < ranks_.size(); ++rank) all.add_packed(ranks_.from(rank, own->second.packed()), whole.minimum, whole.maximum);
      own->second = std::move(all);
    }
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
  Ranks& ranks_;
  std::vector<const Value*> values_;  // in the order of the requests, the same on every rank
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
