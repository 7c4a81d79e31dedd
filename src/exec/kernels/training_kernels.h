// Operators whose CPU kernels in LibTorch are slow in training, as compositions that are not.
//
// Used where training computes in bf16, so that f32 steps stay those of PyTorch, random masks included. The results are the
// same up to rounding; random masks are other ones, but follow from the same generator's state.
#pragma once

#include <string_view>

#include "exec/kernels/python_ops.h"

namespace dsc {

// Takes the arguments of `target`'s schema, all of them, in order. Null: LibTorch's own kernel is as good.
// - scaled_dot_product_attention in bf16: LibTorch's flash kernel has a backward pass that was measured at 3 to 15 times
//   the time of plain matrix products (8 x 12 heads x 128 x 32: 15 ms against 1.9 ms), which use the processor's bf16 units.
// - batch_norm over NHWC tensors in bf16: see exec/kernels/batch_norm.h.
// - dropout: LibTorch draws its mask from one serial generator (8 x 128 x 384: 2.1 ms against 0.2 ms).
Builtin find_training_kernel(std::string_view target);

// Changes the arguments of a batch norm in training so that it gives what it does in evaluation and leaves the running statistics alone, while
// gradients flow as through the batch's: into what changes the result once those statistics have followed. Otherwise gradients of one set of
// statistics on data of another push scales and offsets of weights on and on, for the statistics take back what they do.
// Source: Ioffe 2017, arXiv:1702.03275 (batch renormalisation, without limits on r and d).
void renormalise_batch(std::vector<c10::IValue>& stack);

// Kernels of joined steps (exec/chains.h): the arguments of aten.batch_norm and dscompress.live_batch_norm, then a tensor
// to add or none, then the rectifier's ceiling.
void rectified_batch_norm(std::vector<c10::IValue>& stack);
void rectified_live_batch_norm(std::vector<c10::IValue>& stack);

}  // namespace dsc
