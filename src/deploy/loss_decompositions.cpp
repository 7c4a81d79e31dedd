// Loss functions.
#include <ATen/ATen.h>
#include <ATen/core/Reduction.h>

#include <optional>
#include <tuple>
#include <vector>

#include "deploy/decompositions.h"

namespace dsc {
namespace {

using at::Scalar;
using at::Tensor;

Tensor reduced(const Tensor& loss, std::int64_t reduction) {
  if (reduction == at::Reduction::Mean) return at::mean(loss);
  return reduction == at::Reduction::Sum ? at::sum(loss) : loss;
}

Tensor mse(const Tensor& self, const Tensor& target, std::int64_t reduction) {
  const Tensor difference = at::sub(self, target);
  return reduced(at::mul(difference, difference), reduction);
}

Tensor smooth_l1(const Tensor& self, const Tensor& target, std::int64_t reduction, double beta) {
  const Tensor size = at::abs(at::sub(self, target));
  if (beta == 0) return reduced(size, reduction);
  const Tensor near = at::mul(at::mul(size, size), 0.5 / beta);
  return reduced(at::where(at::lt(size, beta), near, at::sub(size, 0.5 * beta)), reduction);
}

Tensor huber(const Tensor& self, const Tensor& target, std::int64_t reduction, double delta) {
  const Tensor size = at::abs(at::sub(self, target));
  const Tensor far = at::mul(at::sub(size, 0.5 * delta), delta);
  return reduced(at::where(at::le(size, delta), at::mul(at::mul(size, size), 0.5), far), reduction);
}

Tensor binary_cross_entropy(const Tensor& self, const Tensor& target, const std::optional<Tensor>& weight, std::int64_t reduction) {
  const Tensor yes = at::mul(target, at::clamp_min(at::log(self), -100));
  const Tensor no = at::mul(at::rsub(target, 1), at::clamp_min(at::log(at::rsub(self, 1)), -100));
  Tensor loss = at::neg(at::add(yes, no));
  if (weight && weight->defined()) loss = at::mul(loss, *weight);
  return reduced(loss, reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& self, const Tensor& target, const std::optional<Tensor>& weight,
                                        const std::optional<Tensor>& positive, std::int64_t reduction) {
  Tensor log_sigmoid = at::neg(at::softplus(at::neg(self)));
  if (positive && positive->defined()) log_sigmoid = at::mul(log_sigmoid, at::add(at::mul(at::sub(*positive, 1), target), 1));
  Tensor loss = at::sub(at::mul(at::rsub(target, 1), self), log_sigmoid);
  if (weight && weight->defined()) loss = at::mul(loss, *weight);
  return reduced(loss, reduction);
}

Tensor soft_margin(const Tensor& self, const Tensor& target, std::int64_t reduction) {
  return reduced(at::log1p(at::exp(at::neg(at::mul(self, target)))), reduction);
}

// `classes` is the dimension of the classes; what is ignored counts nothing, in the mean either.
std::tuple<Tensor, Tensor> nll(const Tensor& self, const Tensor& target, const std::optional<Tensor>& weight, std::int64_t reduction,
                               std::int64_t ignored, std::int64_t classes) {
  const Tensor counts = at::ne(target, ignored);
  const Tensor index = at::unsqueeze(at::where(counts, target, at::zeros_like(target)), classes);
  Tensor loss = at::neg(at::squeeze(at::gather(self, classes, index), classes));
  Tensor share = at::ones_like(loss);
  if (weight && weight->defined()) {
    share = at::reshape(at::index_select(*weight, 0, at::reshape(index, {-1})), target.sizes());
    loss = at::mul(loss, share);
  }
  loss = at::where(counts, loss, at::zeros_like(loss));
  const Tensor total = at::sum(at::where(counts, share, at::zeros_like(share)));
  if (reduction == at::Reduction::None) return {loss, at::zeros({}, self.options())};
  if (reduction == at::Reduction::Sum) return {at::sum(loss), total};
  return {at::div(at::sum(loss), total), total};
}
std::tuple<Tensor, Tensor> nll_loss_forward(const Tensor& self, const Tensor& target, const std::optional<Tensor>& weight,
                                            std::int64_t reduction, std::int64_t ignored) {
  return nll(self, target, weight, reduction, ignored, self.dim() == 1 ? 0 : 1);
}

Tensor multi_margin(const Tensor& self, const Tensor& given, const Scalar& p, const Scalar& margin, const std::optional<Tensor>& weight,
                    std::int64_t reduction) {
  const Tensor x = self.dim() == 2 ? self : at::reshape(self, {1, -1});
  const Tensor target = at::reshape(given, {-1, 1});
  Tensor loss = at::clamp_min(at::add(at::sub(x, at::gather(x, 1, target)), margin), 0);
  if (p.toInt() == 2) loss = at::mul(loss, loss);
  if (weight && weight->defined()) loss = at::mul(loss, at::reshape(at::index_select(*weight, 0, at::reshape(target, {-1})), {-1, 1}));
  const Tensor others = at::ne(at::arange(x.size(1), at::kLong), target);
  loss = at::mean(at::where(others, loss, at::zeros_like(loss)), std::vector<std::int64_t>{1});
  if (reduction == at::Reduction::None && self.dim() < 2) return at::reshape(loss, given.sizes());
  return reduced(loss, reduction);
}

// Targets are listed before the first -1.
std::tuple<Tensor, Tensor> multilabel_margin(const Tensor& self, const Tensor& given, std::int64_t reduction) {
  const Tensor x = self.dim() == 2 ? self : at::reshape(self, {1, -1}), target = given.dim() == 2 ? given : at::reshape(given, {1, -1});
  const Tensor count = at::arange(x.size(1), at::kLong);
  const Tensor ends = at::where(at::eq(target, -1), count, at::full_like(target, x.size(1)));
  const Tensor listed = at::lt(count, at::amin(ends, 1, /*keepdim=*/true));
  const Tensor index = at::where(listed, target, at::zeros_like(target));
  const Tensor hits = at::logical_and(at::eq(at::unsqueeze(index, -1), count), at::unsqueeze(listed, -1));
  const Tensor is_target = at::any(hits, 1);
  const Tensor of_targets = at::unsqueeze(at::gather(x, 1, index), -1);
  Tensor loss = at::clamp_min(at::add(at::sub(at::unsqueeze(x, 1), of_targets), 1), 0);
  const Tensor pairs = at::logical_and(at::unsqueeze(listed, -1), at::logical_not(at::unsqueeze(is_target, 1)));
  loss = at::div(at::sum(at::where(pairs, loss, at::zeros_like(loss)), std::vector<std::int64_t>{1, 2}), x.size(1));
  const Tensor result = reduction == at::Reduction::None && self.dim() < 2 ? at::reshape(loss, {}) : reduced(loss, reduction);
  return {result, at::reshape(at::_to_copy(is_target, self.scalar_type()), given.sizes())};
}

}  // namespace

const Decompositions& loss_decompositions() {
  static const Decompositions table = {
      {"aten.mse_loss", decomposition(mse)},
      {"aten.smooth_l1_loss", decomposition(smooth_l1)},
      {"aten.huber_loss", decomposition(huber)},
      {"aten.binary_cross_entropy", decomposition(binary_cross_entropy)},
      {"aten.binary_cross_entropy_with_logits", decomposition(binary_cross_entropy_with_logits)},
      {"aten.soft_margin_loss", decomposition(soft_margin)},
      {"aten.nll_loss_forward", decomposition(nll_loss_forward)},
      {"aten.nll_loss2d_forward", decomposition(nll_loss_forward)},
      {"aten.multi_margin_loss", decomposition(multi_margin)},
      {"aten.multilabel_margin_loss_forward", decomposition(multilabel_margin)},
  };
  return table;
}

}  // namespace dsc
