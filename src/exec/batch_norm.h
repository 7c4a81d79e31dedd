// Batch norm in training over bf16 NHWC tensors, with any number of channels.
//
// LibTorch's kernel is fast only where the channels fill its vectors: 128 x 11 x 32 x 32 took 16 ms backward where 16
// channels took 0.9 ms, and pruned networks have such widths. Statistics are summed in float over blocks and in double
// beyond, in an order that no number of threads changes.
// Source: Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1 and the gradients of section 3.
#pragma once

#include "exec/python_ops.h"

namespace dsc {

// Takes and leaves the stack of aten.batch_norm.default. What the kernel is not made for (evaluation, other types or
// layouts, no running statistics) goes to LibTorch's.
void batch_norm(std::vector<c10::IValue>& stack);

}  // namespace dsc
