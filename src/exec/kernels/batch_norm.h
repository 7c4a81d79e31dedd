// Batch norm in training over NHWC tensors in bf16, and in f32 before a rectifier, with any number of channels, and with the addition and the
// rectifier that follow it in the same passes over memory.
//
// LibTorch's kernel is fast only where the channels fill its vectors: 128 x 11 x 32 x 32 took 16 ms backward where 16
// channels took 0.9 ms, and pruned networks have such widths. Multiples of 16 are left to LibTorch, whose threads then need
// less waking (a step of ResNet-56 on two threads: 267 ms against 300 ms), unless a rectifier follows. Statistics are summed in float over blocks and
// in double beyond, in an order that no number of threads changes. Source: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1 and the gradients
// of section 3.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <optional>

namespace dsc {

// Arguments of aten.batch_norm. What the kernel is not made for (evaluation, other types, layouts and widths, no
// running statistics) goes to LibTorch's.
struct BatchNorm {
  at::Tensor input;                             // [N, channels, height, width]
  std::optional<at::Tensor> weight, bias;       // [channels]
  std::optional<at::Tensor> running_mean, running_var;
  bool training = false;
  double momentum = 0.1, eps = 1e-5;

  // The result is min(max(norm + addend, 0), ceiling).
  struct Rectifier {
    std::optional<at::Tensor> addend;           // of the input's sizes
    double ceiling = std::numeric_limits<double>::infinity();
  };
  std::optional<Rectifier> rectifier;
};
at::Tensor batch_norm(const BatchNorm& arguments);

}  // namespace dsc
