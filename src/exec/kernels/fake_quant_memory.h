// Grids and settings as the loops of exec/kernels/fake_quant_kernels.h take them. Included by exec/*fake_quant*.cpp only.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

#include "exec/kernels/fake_quant_kernels.h"
#include "exec/kernels/plain_memory.h"
#include "ops/quantization.h"

namespace dsc {

inline kernels::Grid grid_of(const QuantParams& params, QuantRange range) {
  return {params.scale, 1.0F / params.scale, static_cast<float>(range.minimum - params.zero_point),
          static_cast<float>(range.maximum - params.zero_point)};
}

// What a rounding's backward pass needs to know again, apart from the scale.
struct GridSettings {
  std::int64_t zero_point, quant_min, quant_max;
  double share;  // of the way to the grid

  kernels::Grid grid(float scale) const { return grid_of({scale, zero_point}, {quant_min, quant_max}); }
  void save(torch::autograd::AutogradContext& context) const {
    context.saved_data["zero_point"] = zero_point;
    context.saved_data["quant_min"] = quant_min;
    context.saved_data["quant_max"] = quant_max;
    context.saved_data["share"] = share;
  }
  static GridSettings saved(const torch::autograd::AutogradContext& context) {
    const auto& data = context.saved_data;
    return {data.at("zero_point").toInt(), data.at("quant_min").toInt(), data.at("quant_max").toInt(), data.at("share").toDouble()};
  }
};

// Slices of the first dimension are blocks of memory: contiguous, or NHWC.
inline bool has_blocks(const at::Tensor& weight) {
  return weight.is_non_overlapping_and_dense() && (weight.dim() == 0 || weight.size(0) == 1 || weight.stride(0) * weight.size(0) == weight.numel());
}

}  // namespace dsc
