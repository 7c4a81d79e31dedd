// relation: KL(teacher || student) of softmax(V V^T / sqrt(size)), mean over heads and positions; values [N, heads, S, size].
// With `heads` the heads are joined and split into so many first, so that networks with other heads compare.
// source: Wang et al. 2020, arXiv:2002.10957, equations 7 to 10; Wang et al. 2021, arXiv:2012.15828, section 3.1, for the split.
#include <ATen/ops/matmul.h>

#include <array>
#include <cmath>

#include "dscompress/error.h"
#include "train/distill/losses/values.h"
#include "train/distill/options.h"

namespace dsc {
namespace {

at::Tensor relations(const at::Tensor& values, std::int64_t heads, const at::Tensor& mask) {
  auto v = values.to(at::kFloat);
  if (heads > 0) v = v.transpose(1, 2).reshape({v.size(0), v.size(2), heads, -1}).transpose(1, 2);
  const auto scores = at::matmul(v, v.transpose(-2, -1)) / std::sqrt(static_cast<double>(v.size(3)));
  return mask.defined() ? scores.masked_fill(mask_along(mask, 3, 4) == 0, -1e9) : scores;
}

}  // namespace

std::span<const std::string_view> enum_names(Relation) {
  static constexpr std::array<std::string_view, 3> kNames{"value", "query", "key"};
  return kNames;
}

void RelationLoss::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("of", of, {.text = "The vectors whose relations count."});
  visit("heads", heads, {.text = "Heads that the vectors are split into for it; 0: those of the networks, which must agree.", .minimum = 0});
  map.fields(visit);
}

SiteKind RelationLoss::reads() const {
  switch (of) {
    case Relation::value: return SiteKind::value;
    case Relation::query: return SiteKind::query;
    case Relation::key: return SiteKind::key;
  }
  throw Error(ErrorCode::internal, "relation: vectors that are not read");
}

std::string RelationLoss::remedy(const at::Tensor& student, const at::Tensor& teacher) const {
  if (student.dim() != 4 || teacher.dim() != 4 || student.size(2) != teacher.size(2)) return "relations need values [examples, heads, positions, size]";
  if (heads == 0) return student.size(1) == teacher.size(1) ? "" : "the heads differ in number: set `heads` to a number that both widths can be split into";
  const bool splits = student.size(1) * student.size(3) % heads == 0 && teacher.size(1) * teacher.size(3) % heads == 0;
  return splits ? "" : "`heads` " + std::to_string(heads) + " does not divide both widths";
}

at::Tensor RelationLoss::compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const {
  return row_divergence(relations(student, heads, mask), relations(teacher, heads, mask), mask);
}

}  // namespace dsc
