// Operators that move elements about: flips, rolls, diagonals, padding, windows.
#include <ATen/ATen.h>
#include <ATen/WrapDimUtils.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "deploy/decompositions.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using at::IntArrayRef;
using at::Scalar;
using at::Tensor;
using Sizes = std::vector<std::int64_t>;

Tensor counting(std::int64_t start, std::int64_t end, std::int64_t step) { return at::arange(start, end, step, at::kLong); }

Tensor flip(const Tensor& self, IntArrayRef dims) {
  Tensor x = self;
  for (const auto dim : dims) {
    if (self.dim() > 0) x = at::index_select(x, dim, counting(x.size(dim) - 1, -1, -1));
  }
  return x;
}

Tensor roll_one(const Tensor& x, std::int64_t shift, std::int64_t dim) {
  const std::int64_t size = x.size(dim);
  if (size == 0) return x;
  const std::int64_t cut = shift > 0 && shift <= size ? size - shift : shift <= 0 && -shift < size ? -shift : ((-shift % size) + size) % size;
  return at::cat({at::slice(x, dim, cut, std::nullopt), at::slice(x, dim, 0, cut)}, dim);
}
Tensor roll(const Tensor& self, IntArrayRef shifts, IntArrayRef dims) {
  if (dims.empty()) return at::reshape(roll_one(at::reshape(self, {-1}), shifts.at(0), 0), self.sizes());
  Tensor x = self;
  for (std::size_t i = 0; i < dims.size(); ++i) x = roll_one(x, shifts[i], dims[i]);
  return x;
}

Tensor diagonal(const Tensor& self, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  Tensor x = at::movedim(self, IntArrayRef{dim1, dim2}, IntArrayRef{-2, -1});
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  const std::int64_t length = std::max<std::int64_t>(0, offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns));
  const std::int64_t start = offset >= 0 ? offset : -offset * columns;
  x = at::flatten(x, -2, -1);
  if (length == 0) return at::narrow(x, -1, 0, 0);
  return at::index_select(x, -1, at::add(at::mul(counting(0, length, 1), columns + 1), start));
}

Tensor diag_embed(const Tensor& self, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  const std::int64_t margin = std::abs(offset);
  const Tensor x = margin > 0 ? at::constant_pad_nd(self, {0, margin}, 0) : self;
  const Tensor count = counting(0, x.size(-1), 1);
  const Tensor rows = at::unsqueeze(count, -1), columns = at::unsqueeze(count, 0);
  // The shorter of the two coordinates counts the elements.
  const Tensor mask = at::eq(at::add(rows, offset), columns);
  const Tensor spread = at::unsqueeze(x, offset >= 0 ? -1 : -2);
  return at::movedim(at::where(mask, spread, at::zeros_like(spread)), IntArrayRef{-2, -1}, IntArrayRef{dim1, dim2});
}

Tensor diagonal_scatter(const Tensor& self, const Tensor& source, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  const Tensor x = at::movedim(self, IntArrayRef{dim1, dim2}, IntArrayRef{-2, -1});
  const std::int64_t rows = x.size(-2), columns = x.size(-1), length = source.size(-1);
  const std::int64_t above = offset < 0 ? -offset : 0, left = offset > 0 ? offset : 0;
  const Tensor wide = at::constant_pad_nd(at::diag_embed(source), {left, columns - left - length, above, rows - above - length}, 0);
  const Tensor mask = at::eq(at::add(at::unsqueeze(counting(0, rows, 1), -1), offset), at::unsqueeze(counting(0, columns, 1), 0));
  return at::movedim(at::where(mask, wide, x), IntArrayRef{-2, -1}, IntArrayRef{dim1, dim2});
}

// Elements by their place in memory: right where the tensor fills its own, in order.
Tensor places_of(const Tensor& self, IntArrayRef sizes, IntArrayRef strides, std::optional<std::int64_t> offset) {
  TORCH_CHECK(self.is_contiguous() && self.storage_offset() == 0, "the tensor it reads is a view of another");
  Tensor places = at::full({1}, offset.value_or(0), at::kLong);
  for (std::size_t i = 0; i < sizes.size(); ++i) places = at::add(at::unsqueeze(places, -1), at::mul(counting(0, sizes[i], 1), strides[i]));
  return at::reshape(places, {-1});
}
Tensor as_strided(const Tensor& self, IntArrayRef sizes, IntArrayRef strides, std::optional<std::int64_t> offset) {
  return at::reshape(at::index_select(at::reshape(self, {-1}), 0, places_of(self, sizes, strides, offset)), sizes);
}
Tensor as_strided_scatter(const Tensor& self, const Tensor& source, IntArrayRef sizes, IntArrayRef strides, std::optional<std::int64_t> offset) {
  const Tensor places = places_of(self, sizes, strides, offset);
  return at::reshape(at::scatter(at::reshape(self, {-1}), 0, places, at::reshape(source, {-1})), self.sizes());
}

// To no more elements than there are.
Tensor resize_storage(const Tensor& self, IntArrayRef sizes, std::optional<at::MemoryFormat>) {
  std::int64_t count = 1;
  for (const auto size : sizes) count *= size;
  TORCH_CHECK(count <= self.numel(), "it makes room for elements that nothing fills");
  return at::reshape(at::slice(at::reshape(self, {-1}), 0, 0, count), sizes);
}

// Each tensor in `count` chunks, the last filled up with zeros; then all first chunks, all second ones, ...
Tensor chunk_cat(at::TensorList tensors, std::int64_t given_dim, std::int64_t count) {
  const std::int64_t dim = at::maybe_wrap_dim(given_dim, tensors.front().dim());
  std::vector<Tensor> parts;
  for (const Tensor& tensor : tensors) {
    const std::int64_t size = tensor.size(dim), missing = (size + count - 1) / count * count - size;
    Sizes pads(static_cast<std::size_t>(2 * (tensor.dim() - dim)), 0), sizes(tensor.sizes().begin(), tensor.sizes().begin() + dim);
    pads.back() = missing;
    sizes.insert(sizes.end(), {count, -1});
    parts.push_back(at::reshape(missing > 0 ? at::constant_pad_nd(tensor, pads, 0) : tensor, sizes));
  }
  return at::cat(parts, dim + 1);
}

// --- padding ---

bool has_negative(const Node& node) {
  const auto pads = ints_or(node, "pad", ints_or(node, "padding", {}));
  return std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad < 0; });
}
bool wraps_or_cuts(const Node& node) { return text_or(node, "mode", "constant") == "circular" || has_negative(node); }

// Pads of dimension `rank - 1 - i` at 2*i and 2*i + 1.
Tensor cut(const Tensor& self, IntArrayRef pads) {
  Tensor x = self;
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const auto dim = self.dim() - 1 - static_cast<std::int64_t>(i);
    const std::int64_t before = std::max<std::int64_t>(0, -pads[2 * i]), after = std::max<std::int64_t>(0, -pads[2 * i + 1]);
    if (before > 0 || after > 0) x = at::slice(x, dim, before, x.size(dim) - after);
  }
  return x;
}
Sizes positive(IntArrayRef pads) {
  Sizes result;
  for (const auto pad : pads) result.push_back(std::max<std::int64_t>(0, pad));
  return result;
}
bool any_positive(IntArrayRef pads) {
  return std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad > 0; });
}

Tensor circular(const Tensor& self, IntArrayRef pads) {
  Tensor x = cut(self, pads);
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const auto dim = self.dim() - 1 - static_cast<std::int64_t>(i);
    const std::int64_t before = pads[2 * i], after = pads[2 * i + 1], size = x.size(dim);
    std::vector<Tensor> parts{x};
    if (before > 0) parts.insert(parts.begin(), at::slice(x, dim, size - before, std::nullopt));
    if (after > 0) parts.push_back(at::slice(x, dim, 0, after));
    if (parts.size() > 1) x = at::cat(parts, dim);
  }
  return x;
}

Tensor pad(const Tensor& self, IntArrayRef pads, c10::string_view mode, std::optional<double> value) {
  if (mode == "circular") return circular(self, pads);
  const Tensor x = cut(self, pads);
  return any_positive(pads) ? at::pad(x, positive(pads), mode, value) : x;
}
Tensor constant_pad(const Tensor& self, IntArrayRef pads, const Scalar& value) {
  const Tensor x = cut(self, pads);
  return any_positive(pads) ? at::constant_pad_nd(x, positive(pads), value) : x;
}

}  // namespace

const Decompositions& shape_decompositions() {
  static const Decompositions table = {
      {"aten.flip", decomposition(flip)},
      {"aten.roll", decomposition(roll)},
      {"aten.diagonal", decomposition(diagonal)},
      {"aten.diag_embed", decomposition(diag_embed)},
      {"aten.diagonal_scatter", decomposition(diagonal_scatter)},
      {"aten.vstack", composite()},  // the frontend puts vectors end to end
      {"aten.as_strided", decomposition(as_strided)},
      {"aten.as_strided_scatter", decomposition(as_strided_scatter)},
      {"aten.resize_", decomposition(resize_storage)},
      {"aten._chunk_cat", decomposition(chunk_cat)},
      {"aten.pad", decomposition(pad, wraps_or_cuts)},
      {"aten._pad_circular", decomposition(circular, always)},
      {"aten.constant_pad_nd", decomposition(constant_pad, has_negative)},
  };
  return table;
}

}  // namespace dsc
