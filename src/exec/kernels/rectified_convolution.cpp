#include "exec/kernels/rectified_convolution.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <cmath>
#include <optional>
#include <utility>

namespace dsc {
namespace {

using c10::IValue;
using Stack = std::vector<IValue>;

struct Convolution {
  at::Tensor input, weight;
  IValue bias;
  std::vector<std::int64_t> stride, padding, dilation;
  std::int64_t groups = 1;
  std::optional<at::Tensor> addend;
  double ceiling = 0;
};

Convolution arguments(const Stack& stack) {  // input, weight, bias, stride, padding, dilation, groups, addend, ceiling
  Convolution c{stack.at(0).toTensor(), stack.at(1).toTensor(), stack.at(2), stack.at(3).toIntVector(), stack.at(4).toIntVector(),
                stack.at(5).toIntVector(), stack.at(6).toInt()};
  if (!stack.at(7).isNone()) c.addend = stack.at(7).toTensor();
  c.ceiling = stack.at(8).toDouble();
  return c;
}

std::vector<std::int64_t> output_sizes(const Convolution& c) {
  std::vector<std::int64_t> sizes{c.input.size(0), c.weight.size(0)};
  for (std::int64_t i = 0; i < 2; ++i) {
    const auto k = static_cast<std::size_t>(i);
    sizes.push_back((c.input.size(2 + i) + 2 * c.padding[k] - c.dilation[k] * (c.weight.size(2 + i) - 1) - 1) / c.stride[k] + 1);
  }
  return sizes;
}

// oneDNN has bf16 where there is AVX-512, if only by conversion.
bool has_kernel() {
#if defined(__x86_64__)
  return at::hasMKLDNN() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

bool fits_kernel(const Convolution& c) {
  if (!has_kernel() || !std::isinf(c.ceiling) || c.input.dim() != 4 || c.input.numel() == 0) return false;
  return !c.addend || (c.addend->scalar_type() == at::kBFloat16 && c.addend->sizes() == output_sizes(c));
}

IValue in_bf16(const IValue& tensor) {
  if (tensor.isNone()) return tensor;
  return at::autocast::cached_cast(at::kBFloat16, tensor.toTensor(), c10::DeviceType::CPU);
}

c10::OperatorHandle find(const char* overload) { return c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_convolution_pointwise", overload); }

void run_kernel(const Convolution& c, Stack& stack) {
  static const c10::OperatorHandle unary = find(""), binary = find("binary");
  const c10::List<std::optional<c10::Scalar>> no_scalars;
  const IValue input = in_bf16(c.input), weight = in_bf16(c.weight), bias = in_bf16(c.bias);
  if (c.addend) {
    stack = {input, c.addend->contiguous(at::MemoryFormat::ChannelsLast), weight, bias, c.padding, c.stride, c.dilation, c.groups, "add", IValue(), "relu",
             no_scalars, IValue()};
    binary.callBoxed(stack);
  } else {
    stack = {input, weight, bias, c.padding, c.stride, c.dilation, c.groups, "relu", no_scalars, IValue("")};
    unary.callBoxed(stack);
  }
}

}  // namespace

void rectified_convolution(Stack& stack) {
  const Convolution c = arguments(stack);
  if (fits_kernel(c)) return run_kernel(c, stack);
  const std::optional<at::Tensor> bias = c.bias.isNone() ? std::nullopt : std::optional<at::Tensor>(c.bias.toTensor());
  const at::Tensor y = at::conv2d(c.input, c.weight, bias, c.stride, c.padding, c.dilation, c.groups);
  const at::Tensor sum = c.addend ? at::add(y, *c.addend) : y;
  stack = {std::isinf(c.ceiling) ? at::relu(sum) : at::hardtanh(sum, 0, c.ceiling)};
}

}  // namespace dsc
