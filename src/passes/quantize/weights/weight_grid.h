// Grids of weights from their values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "ops/quantization.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

// The length of the groups that a row of `row` elements is cut into: the largest divisor of it up to `group_size`.
std::int64_t group_length(std::int64_t row, std::int64_t group_size);

// channel_axis: of the layer's output channels. Groups are for axis 0; other weights get a grid for each channel.
// paired_axis: steps are made as long as it takes for neighbours along it to fit kernels that add in pairs (ops/pair_sums.h).
// importance: f32 of the weight's shape, what the squared error of each element counts with the observers of least error.
WeightGrid choose_weight_grid(const at::Tensor& weight, std::int64_t channel_axis, const WeightOptions& options,
                              std::optional<std::int64_t> paired_axis = {}, const at::Tensor& importance = {});

// Of any layer's weight: matrices of a stack [E, O, I] have grids of their own, for each row or for groups of its elements.
WeightGrid choose_layer_grid(QuantKind kind, const at::Tensor& weight, std::int64_t channel_axis, const WeightOptions& options,
                             std::optional<std::int64_t> paired_axis = {}, const at::Tensor& importance = {});

// How many of a grid's channels (or the tensor, where it has one grid) have longer steps than their own values ask for.
std::int64_t narrowed_grids(const at::Tensor& weight, const WeightGrid& grid, std::int64_t paired_axis);

// Options under which no two neighbours can be too large, for grids that are not simply made longer: with zero points, or learned.
WeightOptions in_seven_bits(WeightOptions options);

}  // namespace dsc::quantize
