// Tensors as the plain memory that the loops of exec/fake_quant_kernels.h run over. Included by exec/*fake_quant*.cpp only.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

#include "exec/fake_quant_kernels.h"
#include "ops/quantization.h"

namespace dsc {

inline constexpr std::int64_t kGrain = 16384;  // elements for a thread to be worth waking

inline bool has_kernels(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}
// One block of memory, in whatever order of dimensions.
inline at::Tensor dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

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

// Calls body(pointer type tag) for the element type: float, or uint16_t for bf16.
template <class Body>
void for_type(const at::Tensor& x, Body body) {
  if (x.scalar_type() == at::kFloat) body(float{});
  else body(std::uint16_t{});
}
template <class T>
const T* read(const at::Tensor& x) { return static_cast<const T*>(x.const_data_ptr()); }
template <class T>
T* write(at::Tensor& x) { return static_cast<T*>(x.mutable_data_ptr()); }

// With gradients laid out like `x`.
inline at::Tensor as_laid_out(const at::Tensor& gradient, const at::Tensor& x) {
  return gradient.strides() == x.strides() && gradient.scalar_type() == x.scalar_type() ? gradient : at::empty_like(x).copy_(gradient);
}

// Slices of the first dimension are blocks of memory: contiguous, or NHWC.
inline bool has_blocks(const at::Tensor& weight) {
  return weight.is_non_overlapping_and_dense() && (weight.dim() == 0 || weight.size(0) == 1 || weight.stride(0) * weight.size(0) == weight.numel());
}

}  // namespace dsc
