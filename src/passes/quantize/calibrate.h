// Ranges of activations from calibration data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

struct Range {
  double minimum = 0, maximum = 0;
};

// Runs the model on seeded samples and gives each value a range, in the order of `values`.
// errors: numeric for values that are not finite, with the operator's name; data.
// cost: one run over the samples, two for percentile and mse.
std::vector<Range> calibrate(const Model& model, const std::vector<const Value*>& values, const Options& options,
                             PassContext& context);

// Counts of values in equal bins from `low` to `high`.
struct Histogram {
  double low = 0, high = 0;
  std::vector<double> counts;
};
Range percentile_range(const Histogram& histogram, double percentile);
// The range, a share of the full one, whose grid of `bits` bits has the least squared error over the histogram.
Range least_error_range(const Histogram& histogram, std::int64_t bits, bool symmetric);

}  // namespace dsc::quantize
