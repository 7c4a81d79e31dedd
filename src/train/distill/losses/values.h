// What losses on inner values share.
//
// mask [N, S]: 1 for positions that count, 0 for padding; undefined: all count.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsc {

// The mask as [N, 1.., S, 1..] with S in dimension `dim` of `rank`; undefined: all count.
at::Tensor mask_along(const at::Tensor& mask, std::int64_t dim, std::int64_t rank);
// Mean squared difference over what counts: `weights` broadcasts to the values; undefined: everything counts.
at::Tensor masked_squared_error(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& weights);
// KL(teacher || student) of the softmax over the last dimension of scores [N, heads, S, S], mean over heads and the positions
// that count.
at::Tensor row_divergence(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask);

}  // namespace dsc
