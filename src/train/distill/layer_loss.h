// Losses between inner values of a student and a teacher.
//
// mask [N, S]: 1 for positions that count, 0 for padding; undefined: all count.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsc {

// x with dimension `dim` of size D mapped to E by `weight` [E, D].
at::Tensor project(const at::Tensor& x, const at::Tensor& weight, std::int64_t dim);

// Mean squared difference; with a mask, of the positions [N, S, ...] that count.
// source: Jiao et al. 2020, arXiv:1909.10351, equations 8 and 9; Romero et al. 2015, arXiv:1412.6550, equation 3.
at::Tensor state_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask);

// Mean squared difference of attention [N, heads, S, S]; with a mask, of pairs of positions that count. Of scores, those of
// hidden keys (far below any real one) count as 0, as in the paper's code.
// source: Jiao et al. 2020, equation 7.
at::Tensor attention_score_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask);
at::Tensor attention_probability_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask);

// KL(teacher || student) of attention, from scores [N, heads, S, S], mean over heads and queries.
// source: Wang et al. 2020, arXiv:2002.10957, equation 6.
at::Tensor attention_divergence(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask);

// KL(teacher || student) of softmax(V V^T / sqrt(size)), mean over heads and positions; values [N, heads, S, size].
// heads > 0: the heads are joined and split into so many first, so that networks with other heads compare.
// source: Wang et al. 2020, equations 7 to 10; Wang et al. 2021, arXiv:2012.15828, section 3.1, for the split.
at::Tensor value_relation_loss(const at::Tensor& student, const at::Tensor& teacher, std::int64_t heads, const at::Tensor& mask);

// Mean squared difference of the normalised sums of squares over channels; [N, C, H, W].
// source: Zagoruyko and Komodakis 2017, arXiv:1612.03928, equation 2, with the mean of the authors' code.
at::Tensor spatial_attention_loss(const at::Tensor& student, const at::Tensor& teacher);

}  // namespace dsc
