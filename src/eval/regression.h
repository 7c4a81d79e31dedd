// Predictions of real numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "eval/mean_metric.h"

namespace dsc {

// The output in the target's shape, [N, 1] for [N] included. errors: data.
at::Tensor predicted_numbers(const Prediction& prediction);

// Of every number. errors: data.
RowScores squared_errors(const Prediction& prediction);

// Ranks from 1; equal values share the mean of theirs.
std::vector<double> ranks_of(const std::vector<double>& values);

}  // namespace dsc
