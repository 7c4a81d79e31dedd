// Places in an order: medians, quantiles, the k-th smallest.
#include <ATen/ATen.h>
#include <ATen/WrapDimUtils.h>

#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "deploy/decompositions.h"

namespace dsc {
namespace {

using at::Tensor;
using Values = std::tuple<Tensor, Tensor>;  // and their places
using Dims = std::vector<std::int64_t>;

Values squeezed(const Values& values, std::int64_t dim, bool keepdim) {
  if (keepdim) return values;
  return {at::squeeze(std::get<0>(values), dim), at::squeeze(std::get<1>(values), dim)};
}

Values kthvalue(const Tensor& self, std::int64_t k, std::int64_t dim, bool keepdim) {
  if (self.dim() == 0) return {at::clone(self), at::zeros_like(self, at::kLong)};
  const auto [sorted, order] = at::sort(self, dim);
  return squeezed({at::narrow(sorted, dim, k - 1, 1), at::narrow(order, dim, k - 1, 1)}, dim, keepdim);
}

// Where OpenVINO sorts a NaN to, nobody says.
Tensor nan_last(const Tensor& x) { return at::where(at::isnan(x), at::full_like(x, kInfinity), x); }

// Of an even number the lower one. A NaN is the median, unless NaNs are left out.
Values median_dim(const Tensor& self, std::int64_t dim, bool keepdim) {
  if (self.dim() == 0) return {at::clone(self), at::zeros_like(self, at::kLong)};
  const bool can_be_nan = self.is_floating_point();
  const auto [sorted, order] = at::sort(can_be_nan ? nan_last(self) : self, dim);
  const std::int64_t middle = (self.size(dim) - 1) / 2;
  Tensor value = at::narrow(sorted, dim, middle, 1), place = at::narrow(order, dim, middle, 1);
  if (can_be_nan) {
    const Tensor nan = at::isnan(self), any = at::any(nan, dim, /*keepdim=*/true);
    value = at::where(any, at::full_like(value, kNan), value);
    place = at::where(any, at::argmax(at::_to_copy(nan, at::kInt), dim, /*keepdim=*/true), place);
  }
  return squeezed({value, place}, dim, keepdim);
}
Tensor median(const Tensor& self) { return std::get<0>(median_dim(at::reshape(self, {-1}), 0, false)); }

Values nanmedian_dim(const Tensor& self, std::int64_t dim, bool keepdim) {
  if (self.dim() == 0 || !self.is_floating_point()) return median_dim(self, dim, keepdim);
  const auto [sorted, order] = at::sort(nan_last(self), dim);
  const Tensor count = at::sum(at::logical_not(at::isnan(self)), Dims{dim}, /*keepdim=*/true, at::kLong);
  const Tensor middle = at::div(at::clamp_min(at::sub(count, 1), 0), 2, "floor");
  const Tensor value = at::gather(sorted, dim, middle);
  return squeezed({at::where(at::eq(count, 0), at::full_like(value, kNan), value), at::gather(order, dim, middle)}, dim, keepdim);
}
Tensor nanmedian(const Tensor& self) { return std::get<0>(nanmedian_dim(at::reshape(self, {-1}), 0, false)); }

// --- quantiles: between the neighbours of place q * (count - 1) ---

Tensor at_places(const Tensor& sorted, const Tensor& places, std::string_view how) {
  const Tensor exact = how == "lower" ? at::floor(places) : how == "higher" ? at::ceil(places) : how == "nearest" ? at::round(places) : places;
  const Tensor low = at::floor(exact);
  const Tensor below = at::gather(sorted, -1, at::_to_copy(low, at::kLong));
  if (how != "linear" && how != "midpoint") return below;
  const Tensor above = at::gather(sorted, -1, at::_to_copy(at::ceil(exact), at::kLong)), step = at::sub(above, below);
  const Tensor share = how == "midpoint" ? at::full_like(exact, 0.5) : at::sub(exact, low);
  return at::where(at::eq(above, below), below, at::add(below, at::mul(step, share)));
}

struct Quantile {
  std::string_view how;
  bool ignore_nan = false;

  // shapes: q [Q]. returns: [..., Q] over the last dimension.
  Tensor along_last(const Tensor& x, const Tensor& q) const {
    const Tensor nan = at::isnan(x), sorted = std::get<0>(at::sort(nan_last(x), -1));
    const Tensor count = at::sum(at::logical_not(nan), Dims{-1}, /*keepdim=*/true, at::kLong);
    const Tensor last = ignore_nan ? at::_to_copy(at::clamp_min(at::sub(count, 1), 0), x.scalar_type()) : at::full_like(at::select(x, -1, 0), x.size(-1) - 1).unsqueeze(-1);
    const Tensor result = at_places(sorted, at::mul(last, q), how);
    const Tensor lost = ignore_nan ? at::eq(count, 0) : at::any(nan, -1, /*keepdim=*/true);
    return at::where(lost, at::full_like(result, kNan), result);
  }

  // The dimension of q comes first, unless it is a number.
  Tensor operator()(const Tensor& self, const Tensor& q, bool q_is_number, std::optional<std::int64_t> dim, bool keepdim) const {
    Tensor x = dim ? at::movedim(self, *dim, -1) : at::reshape(self, {-1});
    x = along_last(x, at::reshape(q, {-1}));
    x = at::movedim(x, -1, 0);
    if (keepdim && dim) x = at::unsqueeze(x, at::maybe_wrap_dim(*dim, self.dim()) + 1);
    if (keepdim && !dim) {
      Dims sizes(static_cast<std::size_t>(self.dim()) + 1, 1);
      sizes.front() = -1;
      x = at::reshape(x, sizes);
    }
    return q_is_number ? at::squeeze(x, 0) : x;
  }
};

Tensor as_tensor(double q, const Tensor& like) { return at::full({1}, q, like.scalar_type()); }
Tensor quantile(const Tensor& self, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim, std::string_view how) {
  return Quantile{how}(self, q, q.dim() == 0, dim, keepdim);
}
Tensor quantile_scalar(const Tensor& self, double q, std::optional<std::int64_t> dim, bool keepdim, std::string_view how) {
  return Quantile{how}(self, as_tensor(q, self), true, dim, keepdim);
}
Tensor nanquantile(const Tensor& self, const Tensor& q, std::optional<std::int64_t> dim, bool keepdim, std::string_view how) {
  return Quantile{how, true}(self, q, q.dim() == 0, dim, keepdim);
}
Tensor nanquantile_scalar(const Tensor& self, double q, std::optional<std::int64_t> dim, bool keepdim, std::string_view how) {
  return Quantile{how, true}(self, as_tensor(q, self), true, dim, keepdim);
}

}  // namespace

const Decompositions& statistics_decompositions() {
  static const Decompositions table = {
      {"aten.kthvalue", decomposition(kthvalue)},
      {"aten.median.dim", decomposition(median_dim)},
      {"aten.median.default", decomposition(median)},
      {"aten.nanmedian.dim", decomposition(nanmedian_dim)},
      {"aten.nanmedian.default", decomposition(nanmedian)},
      {"aten.quantile.default", decomposition(quantile)},
      {"aten.quantile.scalar", decomposition(quantile_scalar)},
      {"aten.nanquantile.default", decomposition(nanquantile)},
      {"aten.nanquantile.scalar", decomposition(nanquantile_scalar)},
  };
  return table;
}

}  // namespace dsc
