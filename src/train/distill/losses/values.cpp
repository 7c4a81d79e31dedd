#include "train/distill/losses/values.h"

#include <ATen/ops/log_softmax.h>

#include <vector>

#include "exec/kernels/squared_error.h"
#include "train/distill/divergence.h"

namespace dsc {
namespace {

at::Tensor weighted_mean(const at::Tensor& values, const at::Tensor& weights) {
  if (!weights.defined()) return values.mean();
  const auto all = weights.expand_as(values);
  return (values * all).sum() / all.sum().clamp_min(1);
}

}  // namespace

at::Tensor mask_along(const at::Tensor& mask, std::int64_t dim, std::int64_t rank) {
  if (!mask.defined()) return {};
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rank), 1);
  shape.front() = mask.size(0);
  shape[static_cast<std::size_t>(dim)] = mask.size(1);
  return mask.to(at::kFloat).reshape(shape);
}

at::Tensor masked_squared_error(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& weights) {
  if (!weights.defined()) return mean_squared_error(student, teacher);
  return weighted_mean((student.to(at::kFloat) - teacher.to(at::kFloat)).square(), weights);
}

at::Tensor row_divergence(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  const auto s = at::log_softmax(student.to(at::kFloat), -1), t = at::log_softmax(teacher.to(at::kFloat), -1);
  return weighted_mean(divergence_terms(s, t).sum(-1), mask_along(mask, 2, 3));
}

}  // namespace dsc
