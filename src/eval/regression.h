// Predictions of real numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include "eval/mean_metric.h"

namespace dsc {

// The output in the target's shape, [N, 1] for [N] included. errors: data.
at::Tensor predicted_numbers(const Prediction& prediction);

// Of every number. errors: data.
RowScores squared_errors(const Prediction& prediction);

}  // namespace dsc
