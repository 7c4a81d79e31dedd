#include "passes/quantize/calibrate.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/histc.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "core/random.h"
#include "data/dataset.h"
#include "exec/executor.h"
#include "ops/quantization.h"

namespace dsc::quantize {
namespace {

constexpr std::int64_t kBins = 2048;
constexpr int kShares = 80;           // candidate ranges of least_error_range, down to kSmallestShare of the full one
constexpr double kSmallestShare = 0.2;

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

class Calibration {
 public:
  Calibration(const Model& model, const std::vector<const Value*>& values, const Options& options, PassContext& context)
      : values_(values), options_(options), context_(context), executor_(model, {.device = context.device()}),
        dataset_(context.data(context.has_data(Split::calibration) ? Split::calibration : Split::train)) {
    const auto order = permutation(dataset_.size(), derive_seed(context.seed(), "calibration"));
    samples_.assign(order.begin(), order.begin() + std::min(options.calibration.samples, dataset_.size()));
    total_ = static_cast<std::int64_t>(samples_.size()) * (needs_histogram() ? 2 : 1);
    for (std::size_t i = 0; i < values.size(); ++i) index_.emplace(values[i], i);
  }

  std::vector<Range> ranges() {
    statistics_.resize(values_.size());
    run([&](const Value& value, const at::Tensor& tensor) {
      const auto [minimum, maximum] = at::aminmax(tensor);
      const double low = minimum.item<double>(), high = maximum.item<double>();
      if (!std::isfinite(low) || !std::isfinite(high)) not_finite(value);
      update(statistics_[index_.at(&value)], low, high, options_.activations.momentum);
    });
    if (needs_histogram()) return ranges_from_histograms();
    std::vector<Range> ranges;
    for (const Statistics& s : statistics_) {
      const bool ema = options_.observer() == Observer::ema;
      ranges.push_back(ema ? Range{s.mean_minimum, s.mean_maximum} : Range{s.minimum, s.maximum});
    }
    return ranges;
  }

 private:
  bool needs_histogram() const { return options_.observer() == Observer::percentile || options_.observer() == Observer::mse; }

  void run(const Executor::Tap& tap) {
    const auto batch = static_cast<std::size_t>(options_.calibration.batch);
    for (std::size_t begin = 0; begin < samples_.size(); begin += batch) {
      const std::size_t size = std::min(batch, samples_.size() - begin);
      context_.check_cancelled();
      executor_.run(dataset_.batch(std::span(samples_).subspan(begin, size), std::nullopt).inputs, values_, tap);
      done_ += static_cast<std::int64_t>(size);
      context_.progress("calibration", done_, total_);
    }
  }

  std::vector<Range> ranges_from_histograms() {
    std::vector<Histogram> histograms(values_.size());
    for (std::size_t i = 0; i < values_.size(); ++i) {
      histograms[i] = {statistics_[i].minimum, statistics_[i].maximum, std::vector<double>(kBins, 0)};
    }
    run([&](const Value& value, const at::Tensor& tensor) {
      Histogram& histogram = histograms[index_.at(&value)];
      if (!(histogram.high > histogram.low)) return;
      const at::Tensor counts = at::histc(tensor.to(at::kFloat), kBins, histogram.low, histogram.high).to(at::kCPU, at::kDouble);
      for (std::size_t i = 0; i < histogram.counts.size(); ++i) histogram.counts[i] += counts.const_data_ptr<double>()[i];
    });
    std::vector<Range> ranges;
    for (const Histogram& histogram : histograms) {
      if (!(histogram.high > histogram.low)) ranges.push_back({histogram.low, histogram.high});
      else if (options_.observer() == Observer::percentile) ranges.push_back(percentile_range(histogram, options_.activations.percentile));
      else ranges.push_back(least_error_range(histogram, options_.activations.bits, options_.activations.symmetric));
    }
    return ranges;
  }

  const std::vector<const Value*>& values_;
  const Options& options_;
  PassContext& context_;
  Executor executor_;
  Dataset& dataset_;
  std::vector<std::int64_t> samples_;
  std::unordered_map<const Value*, std::size_t> index_;
  std::vector<Statistics> statistics_;
  std::int64_t done_ = 0, total_ = 0;
};

// Squared error of rounding to the grid, summed over the middles of the bins.
double error_of(const Histogram& histogram, const QuantParams& params, QuantRange range) {
  const double width = (histogram.high - histogram.low) / static_cast<double>(histogram.counts.size());
  const double scale = params.scale, zero = static_cast<double>(params.zero_point);
  const double low = (static_cast<double>(range.minimum) - zero) * scale, high = (static_cast<double>(range.maximum) - zero) * scale;
  double sum = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    if (histogram.counts[i] == 0) continue;
    const double x = histogram.low + (static_cast<double>(i) + 0.5) * width;
    // Inside the range the bin's values spread over the rounding error: its expected square.
    const double error = x < low ? x - low : x > high ? x - high : 0;
    sum += histogram.counts[i] * (error * error + (error == 0 ? scale * scale / 12 : 0));
  }
  return sum;
}

}  // namespace

std::vector<Range> calibrate(const Model& model, const std::vector<const Value*>& values, const Options& options, PassContext& context) {
  return Calibration(model, values, options, context).ranges();
}

Range percentile_range(const Histogram& histogram, double percentile) {
  double total = 0;
  for (double count : histogram.counts) total += count;
  const double width = (histogram.high - histogram.low) / static_cast<double>(histogram.counts.size());
  // Half of what is left out at each end that holds values of its sign; none where the range starts at zero.
  const bool two_sided = histogram.low < 0 && histogram.high > 0;
  const double cut = total * (1 - percentile / 100) / (two_sided ? 2 : 1);
  std::size_t first = 0, last = histogram.counts.size();
  double below = 0, above = 0;
  if (histogram.low < 0) {
    while (first + 1 < last && below + histogram.counts[first] <= cut) below += histogram.counts[first++];
  }
  if (histogram.high > 0) {
    while (last > first + 1 && above + histogram.counts[last - 1] <= cut) above += histogram.counts[--last];
  }
  return {histogram.low + static_cast<double>(first) * width, histogram.low + static_cast<double>(last) * width};
}

Range least_error_range(const Histogram& histogram, std::int64_t bits, bool symmetric) {
  const QuantRange range = activation_quant_range(bits);
  Range best{histogram.low, histogram.high};
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kShares; ++i) {
    const double share = 1 - (1 - kSmallestShare) * i / kShares;
    const Range candidate{histogram.low * share, histogram.high * share};
    const double error = error_of(histogram, choose_quant_params(candidate.minimum, candidate.maximum, range, symmetric), range);
    if (error < least) {
      least = error;
      best = candidate;
    }
  }
  return best;
}

}  // namespace dsc::quantize
