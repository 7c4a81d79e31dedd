#include "exec/kernels/pointwise_convolution.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstdint>

namespace dsc {
namespace {

using c10::IValue;

constexpr std::int64_t kFewChannels = 8;  // floats in an AVX2 register: from there on the kernel is right
constexpr std::size_t kStride = 3, kPadding = 4;
constexpr std::size_t kTransposed = 6;    // of aten.convolution's nine arguments; of conv2d's seven it is `groups`

bool is_pointwise(const at::Tensor& weight) {
  return weight.dim() > 2 && std::all_of(weight.sizes().begin() + 2, weight.sizes().end(), [](std::int64_t size) { return size == 1; });
}

bool has_padding(const IValue& padding) {
  if (padding.isString()) return false;  // "valid", or "same" of a 1x1 kernel
  const auto sizes = padding.toIntVector();
  return std::any_of(sizes.begin(), sizes.end(), [](std::int64_t size) { return size != 0; });
}

}  // namespace

void subsample_before_pointwise(std::vector<IValue>& stack) {
  const at::Tensor weight = stack.at(1).toTensor();
  if (!is_pointwise(weight) || weight.size(1) >= kFewChannels || has_padding(stack.at(kPadding))) return;
  if (stack.at(kTransposed).isBool() && stack[kTransposed].toBool()) return;
  const auto strides = stack.at(kStride).toIntVector();
  if (std::all_of(strides.begin(), strides.end(), [](std::int64_t stride) { return stride == 1; })) return;
  at::Tensor input = stack.at(0).toTensor();
  const std::int64_t first = input.dim() - (weight.dim() - 2);  // of the spatial dimensions; the batch may be missing
  for (std::int64_t dim = first; dim < input.dim(); ++dim) {
    const auto i = static_cast<std::size_t>(dim - first);
    input = input.slice(dim, 0, std::nullopt, strides.at(std::min(i, strides.size() - 1)));
  }
  stack[0] = input;
  stack[kStride] = std::vector<std::int64_t>(strides.size(), 1);
}

}  // namespace dsc
