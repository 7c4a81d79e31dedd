// Ranges from histograms of values.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/quantization.h"

namespace dsc::quantize {

struct Range {
  double minimum = 0, maximum = 0;
};

// Counts of values in equal bins from `low` to `high`.
struct Histogram {
  double low = 0, high = 0;
  std::vector<double> counts;
};

// Cuts half of what is outside at each end that holds values of its sign.
Range percentile_range(const Histogram& histogram, double percentile);
// The range, a share of the full one, whose grid of these integers has the least squared error over the histogram.
Range least_error_range(const Histogram& histogram, QuantRange integers, bool symmetric);
// The range, a share of the full one, that keeps the distribution best: least Kullback-Leibler divergence of the
// quantised histogram from the clipped one. source: Migacz 2017, "8-bit inference with TensorRT", for any ranges.
Range least_divergence_range(const Histogram& histogram, QuantRange integers, bool symmetric);

}  // namespace dsc::quantize
