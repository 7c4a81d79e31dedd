// A histogram of values whose range is not known before they are seen, so that one run over the samples is enough.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "passes/quantize/ranges/observers.h"

namespace dsc::quantize {

// Bins are powers of two wide and start at multiples of their width. Where values reach further than the bins may, each two
// become one: counts are those of a histogram with the final bins from the start, in whatever order the tensors came. Of a tensor with
// 2^21 values or more a quarter is counted, four times each.
class GrowingHistogram {
 public:
  // values: floating point, finite, from `minimum` to `maximum`.
  void add(const at::Tensor& values, double minimum, double maximum);
  // For another process: exponent of the width, number of the first bin, and the counts, [2 + bins] int64.
  at::Tensor packed() const;
  // What another one counted. minimum and maximum: of all that this and the others counted, so that one reach is enough.
  void add_packed(const at::Tensor& packed, double minimum, double maximum);
  // From the bin of the smallest value to that of the largest, at most 2^-21 of the largest magnitude wide or kBins / 2 and more.
  Histogram histogram() const;
  static constexpr std::int64_t kBins = 8192;  // at most

 private:
  void reach(double minimum, double maximum);

  int exponent_ = 0;        // bins are 2 ^ exponent_ wide
  std::int64_t first_ = 0;  // the first bin starts at first_ * width
  std::vector<std::int64_t> counts_;
};

}  // namespace dsc::quantize
