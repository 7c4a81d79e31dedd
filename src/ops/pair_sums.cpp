#include "ops/pair_sums.h"

#include <ATen/Functions.h>

namespace dsc {
namespace {

// [..., K] with K even: what is missing is zero.
at::Tensor evened(const at::Tensor& rows) { return rows.size(-1) % 2 == 0 ? rows : at::constant_pad_nd(rows, {0, 1}, 0); }

// The largest sum of two neighbours of one sign in the last dimension. rows: [C, ...]; returns: [C].
at::Tensor largest_in_rows(const at::Tensor& rows) {
  const at::Tensor pairs = evened(rows).unflatten(-1, {-1, 2});
  const auto largest = [&](const at::Tensor& values) { return values.clamp_min(0).sum(-1).flatten(1).amax(1); };
  return at::maximum(largest(pairs), largest(-pairs));
}

}  // namespace

at::Tensor largest_pair_sums(const at::Tensor& weight, std::int64_t channel_axis, std::int64_t paired_axis) {
  const at::Tensor rows = weight.detach().to(at::kFloat).movedim({channel_axis, paired_axis}, {0, -1});  // [C, kernel, K]
  if (rows.numel() == 0) return at::zeros({rows.size(0)}, at::kFloat);
  const at::Tensor sums = largest_in_rows(rows);
  // Kernels that unfold patches (ONNX Runtime's) pair along kernel and channels together: other neighbours where the count is odd.
  const bool differs = rows.size(-1) % 2 == 1 && rows.size(-1) > 1 && rows.dim() > 2;
  return differs ? at::maximum(sums, largest_in_rows(rows.flatten(1))) : sums;
}

at::Tensor limit_pair_sums(const at::Tensor& integers, std::int64_t paired_axis) {
  const at::Tensor rows = integers.to(at::kInt).movedim(paired_axis, -1);
  const at::Tensor pairs = evened(rows).unflatten(-1, {-1, 2});
  const at::Tensor same_sign = pairs.prod(-1, true) > 0;
  const at::Tensor excess = (pairs.abs().sum(-1, true) - kLargestPairSum).clamp_min(0) * same_sign;
  const at::Tensor is_larger = at::zeros_like(pairs).scatter_(-1, pairs.abs().argmax(-1, true), 1);
  const at::Tensor limited = (pairs - pairs.sign() * excess * is_larger).flatten(-2).narrow(-1, 0, rows.size(-1));
  return limited.movedim(-1, paired_axis).to(integers.scalar_type()).contiguous();
}

}  // namespace dsc
