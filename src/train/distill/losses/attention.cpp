// attention: mean squared difference of attention [N, heads, S, S], of pairs of positions that count (Jiao et al. 2020,
// arXiv:1909.10351, equation 7), or KL(teacher || student) of its rows (Wang et al. 2020, arXiv:2002.10957, equation 6).
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <array>

#include "dscompress/error.h"
#include "train/distill/losses/values.h"
#include "train/distill/options.h"

namespace dsc {
namespace {

// Scores of hidden keys, far below any real one, count as 0, as in the paper's code.
constexpr double kHiddenScore = -1e2;

at::Tensor without_hidden(const at::Tensor& scores) {
  const auto floats = scores.to(at::kFloat);
  return at::where(floats <= kHiddenScore, at::zeros_like(floats), floats);
}

at::Tensor pairs(const at::Tensor& mask) { return mask.defined() ? mask_along(mask, 2, 4) * mask_along(mask, 3, 4) : at::Tensor(); }

}  // namespace

std::span<const std::string_view> enum_names(AttentionDistance) {
  static constexpr std::array<std::string_view, 3> kNames{"scores", "probabilities", "divergence"};
  return kNames;
}

void AttentionLoss::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("distance", distance, {.text = "Mean squared error of the scores before the softmax or of the probabilities after it, or the divergence of the probabilities."});
  map.fields(visit);
}

SiteKind AttentionLoss::reads() const {
  return distance == AttentionDistance::probabilities ? SiteKind::attention_probabilities : SiteKind::attention_scores;
}

std::string AttentionLoss::remedy(const at::Tensor& student, const at::Tensor& teacher) const {
  return student.sizes() == teacher.sizes() ? "" : "attention needs as many heads in both networks: use the loss `relation` with `heads`, or name other layers";
}

at::Tensor AttentionLoss::compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const {
  switch (distance) {
    case AttentionDistance::scores: return masked_squared_error(without_hidden(student), without_hidden(teacher), pairs(mask));
    case AttentionDistance::probabilities: return masked_squared_error(student, teacher, pairs(mask));
    case AttentionDistance::divergence: return row_divergence(student, teacher, mask);
  }
  throw Error(ErrorCode::internal, "attention: a distance that is not compared");
}

}  // namespace dsc
