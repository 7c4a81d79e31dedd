// Predictions of real numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "eval/metric.h"

namespace dsc {

// The output in the target's shape, [N, 1] for [N] included. errors: data.
at::Tensor predicted_numbers(const Prediction& prediction);

class SquaredError {
 public:
  void add(const Prediction& prediction);
  bool empty() const { return count_ == 0; }
  double mean() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace dsc
