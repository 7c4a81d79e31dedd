// Operators that read or write elements by their places.
#include <ATen/ATen.h>
#include <ATen/WrapDimUtils.h>

#include <vector>

#include "deploy/decompositions.h"

namespace dsc {
namespace {

using at::Scalar;
using at::Tensor;
using Sizes = std::vector<std::int64_t>;

Tensor from_the_start(const Tensor& index, std::int64_t size) { return at::where(at::lt(index, 0), at::add(index, size), index); }

Tensor take(const Tensor& self, const Tensor& index) {
  const Tensor places = at::reshape(from_the_start(index, self.numel()), {-1});
  return at::reshape(at::index_select(at::reshape(self, {-1}), 0, places), index.sizes());
}

// An index along `dim` as one for each element of `like`.
Tensor spread(const Tensor& index, const Tensor& like, std::int64_t dim) {
  Sizes sizes(static_cast<std::size_t>(like.dim()), 1);
  sizes[static_cast<std::size_t>(dim)] = -1;
  return at::reshape(index, sizes).expand_as(like);
}

Tensor index_copy(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source) {
  if (self.dim() == 0) return at::reshape(source, {});
  return at::scatter(self, dim, spread(index, source, at::maybe_wrap_dim(dim, self.dim())), source);
}
Tensor index_fill(const Tensor& self, std::int64_t dim, const Tensor& index, const Scalar& value) {
  if (self.dim() == 0) return at::full_like(self, value);
  const Tensor count = at::arange(self.size(dim), at::kLong);
  const Tensor flat = at::reshape(from_the_start(index, self.size(dim)), {1, -1});
  const Tensor hit = at::any(at::eq(at::unsqueeze(count, -1), flat), 1);
  return at::where(spread(hit, self, at::maybe_wrap_dim(dim, self.dim())), at::full_like(self, value), self);
}
Tensor index_fill_tensor(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& value) {
  if (self.dim() == 0) return at::reshape(value, {});
  const Tensor count = at::arange(self.size(dim), at::kLong);
  const Tensor flat = at::reshape(from_the_start(index, self.size(dim)), {1, -1});
  const Tensor hit = at::any(at::eq(at::unsqueeze(count, -1), flat), 1);
  return at::where(spread(hit, self, at::maybe_wrap_dim(dim, self.dim())), value, self);
}

Tensor unsafe_index(const Tensor& self, const c10::List<std::optional<Tensor>>& indices) { return at::index(self, indices); }
Tensor unsafe_index_put(const Tensor& self, const c10::List<std::optional<Tensor>>& indices, const Tensor& values, bool accumulate) {
  return at::index_put(self, indices, values, accumulate);
}

Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  const Tensor flat = at::reshape(self, {-1}), places = at::reshape(from_the_start(index, self.numel()), {-1}), values = at::reshape(source, {-1});
  return at::reshape(accumulate ? at::scatter_add(flat, 0, places, values) : at::scatter(flat, 0, places, values), self.sizes());
}

// Places in a sorted row: how many elements lie before.
Tensor places_in(const Tensor& sorted, const Tensor& x, bool right) {
  const Tensor row = at::unsqueeze(sorted, -2), value = at::unsqueeze(x, -1);
  return at::sum(right ? at::le(row, value) : at::lt(row, value), Sizes{-1}, false, at::kLong);
}
Tensor bucketize(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right) {
  const Tensor places = at::reshape(places_in(boundaries, at::reshape(self, {-1}), right), self.sizes());
  return out_int32 ? at::_to_copy(places, at::kInt) : places;
}
Tensor searchsorted(const Tensor& sorted, const Tensor& self, bool out_int32, bool right, std::optional<c10::string_view> side,
                    const std::optional<Tensor>& sorter) {
  const Tensor rows = sorter && sorter->defined() ? at::gather(sorted, -1, *sorter) : sorted;
  const bool is_right = right || (side && *side == "right");
  const Tensor x = sorted.dim() == 1 ? at::reshape(self, {-1}) : self;
  const Tensor places = at::reshape(places_in(rows, x, is_right), self.sizes());
  return out_int32 ? at::_to_copy(places, at::kInt) : places;
}

// Each place's value is read from the flattened pooled map.
Tensor max_unpool(const Tensor& self, const Tensor& indices, const Sizes& sizes) {
  const auto spatial = static_cast<std::int64_t>(sizes.size());
  std::int64_t places = 1;
  for (const auto size : sizes) places *= size;
  Sizes outer(self.sizes().begin(), self.sizes().end() - spatial), flat = outer, whole = outer;
  flat.push_back(places);
  whole.insert(whole.end(), sizes.begin(), sizes.end());
  const Tensor empty = at::zeros(flat, self.options());
  const Tensor filled = at::scatter(empty, -1, at::flatten(indices, -spatial), at::flatten(self, -spatial));
  return at::reshape(filled, whole);
}
Tensor max_unpool2d(const Tensor& self, const Tensor& indices, at::IntArrayRef sizes) { return max_unpool(self, indices, sizes.vec()); }
Tensor max_unpool3d(const Tensor& self, const Tensor& indices, at::IntArrayRef sizes, at::IntArrayRef, at::IntArrayRef) {
  return max_unpool(self, indices, sizes.vec());
}

}  // namespace

const Decompositions& index_decompositions() {
  static const Decompositions table = {
      {"aten._unsafe_index.Tensor", decomposition(unsafe_index)},
      {"aten._unsafe_index_put", decomposition(unsafe_index_put)},
      {"aten.put", decomposition(put)},
      {"aten.take", decomposition(take)},
      {"aten.index_copy", decomposition(index_copy)},
      {"aten.index_fill.int_Scalar", decomposition(index_fill)},
      {"aten.index_fill.int_Tensor", decomposition(index_fill_tensor)},
      {"aten.bucketize.Tensor", decomposition(bucketize)},
      {"aten.searchsorted.Tensor", decomposition(searchsorted)},
      {"aten.max_unpool2d", decomposition(max_unpool2d)},
      {"aten.max_unpool3d", decomposition(max_unpool3d)},
  };
  return table;
}

}  // namespace dsc
