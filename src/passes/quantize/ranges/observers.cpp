#include "passes/quantize/ranges/observers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "dscompress/error.h"
#include "ops/quantization.h"

namespace dsc::quantize {
namespace {

constexpr int kShares = 80;  // candidate ranges, down to kSmallestShare of the full one
constexpr double kSmallestShare = 0.2;

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

// KL(p, q): p is the histogram with what is clipped put into its outermost bins, q gives the bins that fall on one step
// of the grid equal shares of what they hold together (empty ones stay empty).
double divergence_of(const Histogram& histogram, const QuantParams& params, QuantRange range) {
  const std::size_t bins = histogram.counts.size();
  const double width = (histogram.high - histogram.low) / static_cast<double>(bins);
  const double scale = params.scale, zero = static_cast<double>(params.zero_point);
  const auto steps = static_cast<std::size_t>(range.maximum - range.minimum + 1);
  std::vector<double> clipped(bins, 0), mass(steps, 0), occupied(steps, 0);
  std::vector<std::size_t> step_of(bins);
  const double lowest = (static_cast<double>(range.minimum) - zero) * scale, highest = (static_cast<double>(range.maximum) - zero) * scale;
  const auto bin_of = [&](double x) {
    return static_cast<std::size_t>(std::clamp((x - histogram.low) / width, 0.0, static_cast<double>(bins) - 1));
  };
  const std::size_t first = bin_of(lowest), last = bin_of(highest);
  double total = 0;
  for (std::size_t i = 0; i < bins; ++i) {
    clipped[std::clamp(i, first, last)] += histogram.counts[i];
    total += histogram.counts[i];
    const double x = histogram.low + (static_cast<double>(i) + 0.5) * width;
    const double whole = std::clamp(std::nearbyint(x / scale) + zero, static_cast<double>(range.minimum), static_cast<double>(range.maximum));
    step_of[i] = static_cast<std::size_t>(whole - static_cast<double>(range.minimum));
  }
  for (std::size_t i = first; i <= last; ++i) {
    mass[step_of[i]] += histogram.counts[i];  // without what was clipped, so that clipping costs
    if (clipped[i] > 0) occupied[step_of[i]] += 1;
  }
  double inside = 0, sum = 0;
  for (std::size_t i = first; i <= last; ++i) inside += histogram.counts[i];
  for (std::size_t i = first; i <= last; ++i) {
    if (clipped[i] == 0) continue;
    const double p = clipped[i] / total, q = mass[step_of[i]] / occupied[step_of[i]] / std::max(inside, 1.0);
    sum += p * std::log(p / std::max(q, 1e-12));
  }
  return sum;
}

using Badness = std::function<double(const Histogram&, const QuantParams&, QuantRange)>;

Range best_share(const Histogram& histogram, QuantRange integers, bool symmetric, const Badness& badness) {
  Range best{histogram.low, histogram.high};
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kShares; ++i) {
    const double share = 1 - (1 - kSmallestShare) * i / kShares;
    const Range candidate{histogram.low * share, histogram.high * share};
    const double found = badness(histogram, choose_quant_params(candidate.minimum, candidate.maximum, integers, symmetric), integers);
    if (found < least) {
      least = found;
      best = candidate;
    }
  }
  return best;
}

}  // namespace

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

Range least_error_range(const Histogram& histogram, QuantRange integers, bool symmetric) {
  return best_share(histogram, integers, symmetric, error_of);
}

Range least_divergence_range(const Histogram& histogram, QuantRange integers, bool symmetric) {
  return best_share(histogram, integers, symmetric, divergence_of);
}

namespace {

Range extremes(const Seen& seen, const ActivationOptions&, ZeroPoint) { return {seen.minimum, seen.maximum}; }
Range moving_averages(const Seen& seen, const ActivationOptions&, ZeroPoint) { return {seen.mean_minimum, seen.mean_maximum}; }
Range inner_share(const Seen& seen, const ActivationOptions& options, ZeroPoint) { return percentile_range(*seen.histogram, options.percentile); }

template <Range (*best)(const Histogram&, QuantRange, bool)>
Range best_of_grid(const Seen& seen, const ActivationOptions& options, ZeroPoint zero_point) {
  return best(*seen.histogram, activation_quant_range(options.bits, zero_point), is_symmetric(options, zero_point));
}

Range unresolved(const Seen&, const ActivationOptions&, ZeroPoint) {
  throw Error(ErrorCode::internal, "observer: auto has to be resolved before calibration");
}

constexpr std::array kObservers{
    ObserverInfo{"auto", unresolved},
    ObserverInfo{"minmax", extremes},
    ObserverInfo{"ema", moving_averages},
    ObserverInfo{"percentile", inner_share, true},
    ObserverInfo{"mse", best_of_grid<least_error_range>, true},
    ObserverInfo{"kl", best_of_grid<least_divergence_range>, true},
};
static_assert(kObservers.size() == static_cast<std::size_t>(Observer::kl) + 1, "one row for each observer");

}  // namespace

const ObserverInfo& info_of(Observer observer) { return kObservers[static_cast<std::size_t>(observer)]; }

std::span<const std::string_view> enum_names(Observer) {
  static constexpr auto kNames = [] {
    std::array<std::string_view, kObservers.size()> names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = kObservers[i].name;
    return names;
  }();
  return kNames;
}

}  // namespace dsc::quantize
