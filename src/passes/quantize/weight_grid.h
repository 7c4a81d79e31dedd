// Grids of weights from their values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/quantization.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

// The length of the groups that a row of `row` elements is cut into: the largest divisor of it up to `group_size`.
std::int64_t group_length(std::int64_t row, std::int64_t group_size);

// channel_axis: of the layer's output channels. Groups are for axis 0; other weights get a grid for each channel.
WeightGrid choose_weight_grid(const at::Tensor& weight, std::int64_t channel_axis, const WeightOptions& options);

}  // namespace dsc::quantize
