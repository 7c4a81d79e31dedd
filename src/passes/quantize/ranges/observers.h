// Ranges of activations, from what calibration saw of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ops/quantization.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

struct Range {
  double minimum = 0, maximum = 0;
};

// Counts of values in equal bins from `low` to `high`.
struct Histogram {
  double low = 0, high = 0;
  std::vector<double> counts;
};

// What calibration saw of a value.
struct Seen {
  double minimum = 0, maximum = 0;            // of all batches
  double mean_minimum = 0, mean_maximum = 0;  // moving averages of those of each batch
  // Of observers that need it.
  std::optional<Histogram> histogram = {};
};

// One for each enumerator of Observer.
struct ObserverInfo {
  std::string_view name;
  Range (*range)(const Seen& seen, const ActivationOptions& options, ZeroPoint zero_point);
  bool needs_histogram = false;  // and gets one where values differ; otherwise the range is that of minmax
};
const ObserverInfo& info_of(Observer observer);

// Cuts half of what is outside at each end that holds values of its sign.
Range percentile_range(const Histogram& histogram, double percentile);
// The range, a share of the full one, whose grid of these integers has the least squared error over the histogram.
Range least_error_range(const Histogram& histogram, QuantRange integers, bool symmetric);
// The range, a share of the full one, that keeps the distribution best: least Kullback-Leibler divergence of the
// quantised histogram from the clipped one. source: Migacz 2017, "8-bit inference with TensorRT", for any ranges.
Range least_divergence_range(const Histogram& histogram, QuantRange integers, bool symmetric);

}  // namespace dsc::quantize
