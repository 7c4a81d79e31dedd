// Tensors as the plain memory that vectorised loops run over. Included by kernels' .cpp only.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <cstdint>

namespace dsc {

inline constexpr std::int64_t kGrain = 16384;  // elements for a thread to be worth waking

inline bool has_kernels(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}
// One block of memory, in whatever order of dimensions.
inline at::Tensor dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

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

}  // namespace dsc
