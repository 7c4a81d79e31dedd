// Operators along dimensions: sums, norms, softmax, sorting, statistics.
#include <ATen/ATen.h>
#include <ATen/WrapDimUtils.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "deploy/decompositions.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using at::IntArrayRef;
using at::OptionalIntArrayRef;
using at::Scalar;
using at::Tensor;
using Sizes = std::vector<std::int64_t>;

Tensor logsumexp(const Tensor& self, IntArrayRef dims, bool keepdim) {
  const Tensor x = self.is_floating_point() ? self : at::_to_copy(self, at::kFloat);
  Tensor most = at::amax(x, dims, /*keepdim=*/true);
  most = at::where(at::isinf(most), at::zeros_like(most), most);
  const Tensor sum = at::add(at::log(at::sum(at::exp(at::sub(x, most)), dims, /*keepdim=*/true)), most);
  if (keepdim || dims.empty()) return keepdim ? sum : at::reshape(sum, {});
  return at::squeeze(sum, dims);
}

// A row of nothing but -inf is 0, not NaN.
Tensor safe_softmax(const Tensor& self, std::int64_t dim, std::optional<at::ScalarType> dtype) {
  const Tensor result = at::softmax(self, dim, dtype);
  return at::where(at::all(at::eq(self, -kInfinity), dim, /*keepdim=*/true), at::zeros_like(result), result);
}

Tensor softmax_backward(const Tensor& gradient, const Tensor& output, std::int64_t dim, at::ScalarType) {
  const Tensor product = at::mul(gradient, output);
  return at::sub(product, at::mul(output, at::sum(product, Sizes{dim}, /*keepdim=*/true)));
}
Tensor log_softmax_backward(const Tensor& gradient, const Tensor& output, std::int64_t dim, at::ScalarType) {
  return at::sub(gradient, at::mul(at::exp(output), at::sum(gradient, Sizes{dim}, /*keepdim=*/true)));
}

Tensor logcumsumexp(const Tensor& self, std::int64_t dim) {
  Tensor most = at::amax(self, dim, /*keepdim=*/true);
  most = at::where(at::isinf(most), at::zeros_like(most), most);
  return at::add(at::log(at::cumsum(at::exp(at::sub(self, most)), dim)), most);
}

Tensor nansum(const Tensor& self, OptionalIntArrayRef dims, bool keepdim, std::optional<at::ScalarType> dtype) {
  const Tensor x = self.is_floating_point() ? at::where(at::isnan(self), at::zeros_like(self), self) : self;
  return at::sum(x, dims, keepdim, dtype);
}

Sizes all_dims(const Tensor& self) {
  Sizes dims;
  for (std::int64_t dim = 0; dim < self.dim(); ++dim) dims.push_back(dim);
  return dims;
}

Tensor truth_over(const Tensor& self, OptionalIntArrayRef given, bool keepdim, bool all) {
  Sizes dims = given && !given->empty() ? Sizes(given->begin(), given->end()) : all_dims(self);
  for (auto& dim : dims) dim = at::maybe_wrap_dim(dim, self.dim());
  std::sort(dims.rbegin(), dims.rend());
  Tensor truth = at::ne(self, 0);
  for (const auto dim : dims) truth = all ? at::all(truth, dim, keepdim) : at::any(truth, dim, keepdim);
  return truth;
}
Tensor all_over(const Tensor& self, OptionalIntArrayRef dims, bool keepdim) { return truth_over(self, dims, keepdim, true); }
Tensor any_over(const Tensor& self, OptionalIntArrayRef dims, bool keepdim) { return truth_over(self, dims, keepdim, false); }

Tensor renorm(const Tensor& self, const Scalar& p, std::int64_t dim, const Scalar& most) {
  Sizes dims = all_dims(self);
  dims.erase(dims.begin() + at::maybe_wrap_dim(dim, self.dim()));
  const Tensor norm = at::linalg_vector_norm(self, p, dims, /*keepdim=*/true);
  const Tensor factor = at::div(at::full_like(norm, most), at::add(norm, 1e-7));
  return at::mul(self, at::where(at::gt(norm, most), factor, at::ones_like(norm)));
}

// The frontend knows order 0, how many are not zero, of vectors only, and nothing of numbers.
bool is_other_norm(const Node& node) {
  const Argument* order = node.find_argument("ord");
  const bool counts = order && (*order == Argument(0.0) || *order == Argument(std::int64_t{0}));
  return counts || node.find_value("self")->tensor().rank() == 0;
}
Tensor vector_norm(const Tensor& self, const Scalar& order, OptionalIntArrayRef dims, bool keepdim, std::optional<at::ScalarType> dtype) {
  const at::ScalarType type = dtype.value_or(self.scalar_type());
  const bool counts = order.toDouble() == 0;
  if (self.dim() == 0) return at::_to_copy(counts ? at::ne(self, 0) : at::abs(self), type);
  return counts ? at::sum(at::ne(self, 0), dims, keepdim, type) : at::linalg_vector_norm(self, order, dims, keepdim, dtype);
}

// Distances of each row to each; the frontend knows Euclidean ones.
bool is_not_euclidean(const Node& node) {
  const Argument* p = node.find_argument("p");
  return p && *p != Argument(2.0) && *p != Argument(std::int64_t{2});
}
Tensor row_distances(const Tensor& a, const Tensor& b, double p, std::optional<std::int64_t>) {
  const Tensor apart = at::abs(at::sub(at::unsqueeze(a, -2), at::unsqueeze(b, -3)));
  if (p == kInfinity) return at::amax(apart, -1);
  if (p == 0) return at::sum(at::ne(apart, 0), Sizes{-1}, false, a.scalar_type());
  if (p == 1) return at::sum(apart, Sizes{-1});
  return p == 2 ? at::sqrt(at::sum(at::mul(apart, apart), Sizes{-1})) : at::pow(at::sum(at::pow(apart, p), Sizes{-1}), 1 / p);
}

// Of each pair of rows.
Tensor pdist(const Tensor& self, double p) {
  const Tensor pairs = at::triu_indices(self.size(0), self.size(0), 1);
  const Tensor a = at::index_select(self, 0, at::select(pairs, 0, 0)), b = at::index_select(self, 0, at::select(pairs, 0, 1));
  return at::reshape(row_distances(at::unsqueeze(a, 1), at::unsqueeze(b, 1), p, std::nullopt), {-1});
}

Tensor dist(const Tensor& self, const Tensor& other, const Scalar& p) {
  const Tensor difference = at::sub(self, other);
  return at::linalg_vector_norm(difference, p, all_dims(difference));
}

std::tuple<Tensor, Tensor> aminmax(const Tensor& self, std::optional<std::int64_t> dim, bool keepdim) {
  const Sizes dims = dim ? Sizes{*dim} : all_dims(self);
  return {at::amin(self, dims, keepdim), at::amax(self, dims, keepdim)};
}

std::tuple<Tensor, Tensor> var_mean(const Tensor& self, OptionalIntArrayRef dims, const std::optional<Scalar>& correction, bool keepdim) {
  return {at::var(self, dims, correction, keepdim), at::mean(self, dims, keepdim)};
}
std::tuple<Tensor, Tensor> std_mean(const Tensor& self, OptionalIntArrayRef dims, const std::optional<Scalar>& correction, bool keepdim) {
  return {at::std(self, dims, correction, keepdim), at::mean(self, dims, keepdim)};
}

// Normalised over `dims`, with the statistics that the backward pass would read.
std::tuple<Tensor, Tensor, Tensor> normalised(const Tensor& x, IntArrayRef dims, double eps) {
  const Tensor mean = at::mean(x, dims, /*keepdim=*/true);
  const Tensor centred = at::sub(x, mean);
  const Tensor rstd = at::rsqrt(at::add(at::mean(at::mul(centred, centred), dims, /*keepdim=*/true), eps));
  return {at::mul(centred, rstd), mean, rstd};
}

// By the batch's statistics, with a gain: the frontend gets it wrong.
bool goes_by_the_batch(const Node& node) { return bool_or(node, "training", false) && !is_given(node, "running_mean") && is_given(node, "weight"); }
Tensor batch_norm(const Tensor& input, const std::optional<Tensor>& weight, const std::optional<Tensor>& bias, const std::optional<Tensor>&,
                  const std::optional<Tensor>&, bool, double, double eps, bool) {
  Sizes dims = all_dims(input), channels(dims.size(), 1);
  dims.erase(dims.begin() + 1);
  channels.at(1) = -1;
  Tensor y = std::get<0>(normalised(input, dims, eps));
  if (weight && weight->defined()) y = at::mul(y, at::reshape(*weight, channels));
  return bias && bias->defined() ? at::add(y, at::reshape(*bias, channels)) : y;
}

// OpenVINO's normalisations give none.
bool statistics_are_read(const Node& node) {
  return std::any_of(node.outputs().begin() + 1, node.outputs().end(), [](const Value* output) { return !output->uses().empty(); });
}

std::tuple<Tensor, Tensor, Tensor> native_layer_norm(const Tensor& input, IntArrayRef shape, const std::optional<Tensor>& weight,
                                                     const std::optional<Tensor>& bias, double eps) {
  Sizes dims;
  for (std::size_t i = 0; i < shape.size(); ++i) dims.push_back(input.dim() - static_cast<std::int64_t>(shape.size() - i));
  auto [y, mean, rstd] = normalised(input, dims, eps);
  if (weight && weight->defined()) y = at::mul(y, *weight);
  if (bias && bias->defined()) y = at::add(y, *bias);
  return {y, mean, rstd};
}

std::tuple<Tensor, Tensor, Tensor> native_group_norm(const Tensor& input, const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                                                     std::int64_t n, std::int64_t c, std::int64_t, std::int64_t groups, double eps) {
  auto [y, mean, rstd] = normalised(at::reshape(input, {n, groups, -1}), {2}, eps);
  y = at::reshape(y, input.sizes());
  Sizes channels(static_cast<std::size_t>(input.dim()), 1);
  channels.at(1) = c;
  if (weight && weight->defined()) y = at::mul(y, at::reshape(*weight, channels));
  if (bias && bias->defined()) y = at::add(y, at::reshape(*bias, channels));
  return {y, at::squeeze(mean, 2), at::squeeze(rstd, 2)};
}

Tensor trace(const Tensor& self) { return at::sum(at::diagonal(self)); }

}  // namespace

const Decompositions& reduction_decompositions() {
  static const Decompositions table = {
      {"aten.logsumexp", decomposition(logsumexp)},
      {"aten._safe_softmax", decomposition(safe_softmax, always)},
      {"aten._softmax_backward_data", decomposition(softmax_backward)},
      {"aten._log_softmax_backward_data", decomposition(log_softmax_backward)},
      {"aten.logcumsumexp", decomposition(logcumsumexp)},
      {"aten.linalg_vector_norm", decomposition(vector_norm, is_other_norm)},
      {"aten.cdist", decomposition(row_distances, is_not_euclidean)},
      {"aten._pdist_forward", decomposition(pdist)},
      {"aten.nansum", decomposition(nansum)},
      {"aten.all.dims", decomposition(all_over, always)},
      {"aten.any.dims", decomposition(any_over, always)},
      {"aten.renorm", decomposition(renorm)},
      {"aten.dist", decomposition(dist)},
      {"aten.pairwise_distance", composite()},  // the frontend forgets eps
      {"aten.aminmax", decomposition(aminmax)},
      {"aten.var_mean.correction", decomposition(var_mean)},
      {"aten.std_mean.correction", decomposition(std_mean)},
      {"aten.batch_norm", decomposition(batch_norm, goes_by_the_batch)},
      {"aten.native_layer_norm", decomposition(native_layer_norm, statistics_are_read)},
      {"aten.native_group_norm", decomposition(native_group_norm, statistics_are_read)},
      {"aten.trace", decomposition(trace)},
  };
  return table;
}

}  // namespace dsc
