#include "train/distill/layer_loss.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "exec/squared_error.h"
#include "train/distill/divergence.h"

namespace dsc {
namespace {

constexpr double kHiddenScore = -1e2;

// Mean over what counts: `weights` broadcasts to `values`; undefined: everything counts.
at::Tensor weighted_mean(const at::Tensor& values, const at::Tensor& weights) {
  if (!weights.defined()) return values.mean();
  const auto all = weights.expand_as(values);
  return (values * all).sum() / all.sum().clamp_min(1);
}

// [N, S] as [N, 1.., S, 1..] with S in dimension `dim` of `rank`.
at::Tensor along(const at::Tensor& mask, std::int64_t dim, std::int64_t rank) {
  if (!mask.defined()) return {};
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rank), 1);
  shape.front() = mask.size(0);
  shape[static_cast<std::size_t>(dim)] = mask.size(1);
  return mask.to(at::kFloat).reshape(shape);
}

at::Tensor pairs(const at::Tensor& mask) { return mask.defined() ? along(mask, 2, 4) * along(mask, 3, 4) : at::Tensor(); }

at::Tensor squared_error(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& weights) {
  if (!weights.defined()) return mean_squared_error(student, teacher);
  return weighted_mean((student.to(at::kFloat) - teacher.to(at::kFloat)).square(), weights);
}

at::Tensor without_hidden(const at::Tensor& scores) {
  const auto floats = scores.to(at::kFloat);
  return at::where(floats <= kHiddenScore, at::zeros_like(floats), floats);
}

// Mean over rows of KL(teacher || student) of the softmax over the last dimension; [N, heads, S, S].
at::Tensor row_divergence(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  const auto s = at::log_softmax(student.to(at::kFloat), -1), t = at::log_softmax(teacher.to(at::kFloat), -1);
  return weighted_mean(divergence_terms(s, t).sum(-1), along(mask, 2, 3));
}

at::Tensor relations(const at::Tensor& values, std::int64_t heads, const at::Tensor& mask) {
  auto v = values.to(at::kFloat);
  if (heads > 0) v = v.transpose(1, 2).reshape({v.size(0), v.size(2), heads, -1}).transpose(1, 2);
  const auto scores = at::matmul(v, v.transpose(-2, -1)) / std::sqrt(static_cast<double>(v.size(3)));
  return mask.defined() ? scores.masked_fill(along(mask, 3, 4) == 0, -1e9) : scores;
}

at::Tensor spatial_map(const at::Tensor& features) {
  const auto map = features.to(at::kFloat).square().mean(1).flatten(1);
  return map / map.norm(2, 1, true).clamp_min(1e-12);
}

}  // namespace

at::Tensor project(const at::Tensor& x, const at::Tensor& weight, std::int64_t dim) {
  return at::linear(x.to(weight.scalar_type()).movedim(dim, -1), weight).movedim(-1, dim);
}

at::Tensor state_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  return squared_error(student, teacher, along(mask, 1, student.dim()));
}

at::Tensor attention_score_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  return squared_error(without_hidden(student), without_hidden(teacher), pairs(mask));
}

at::Tensor attention_probability_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  return squared_error(student, teacher, pairs(mask));
}

at::Tensor attention_divergence(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  return row_divergence(student, teacher, mask);
}

at::Tensor value_relation_loss(const at::Tensor& student, const at::Tensor& teacher, std::int64_t heads, const at::Tensor& mask) {
  return row_divergence(relations(student, heads, mask), relations(teacher, heads, mask), mask);
}

at::Tensor spatial_attention_loss(const at::Tensor& student, const at::Tensor& teacher) {
  return mean_squared_error(spatial_map(student), spatial_map(teacher));
}

}  // namespace dsc
