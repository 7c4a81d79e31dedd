// How views regroup dimensions: merging makes the union of labels, splitting factors them.
#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>
#include <utility>

#include "ops/ties.h"

namespace dsc {
namespace {

std::int64_t product(const std::vector<std::int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

// The part of `index` (over sizes, first slowest) that belongs to dimension `part`.
std::int64_t digit(std::int64_t index, const std::vector<std::int64_t>& sizes, std::size_t part) {
  for (std::size_t i = sizes.size() - 1; i > part; --i) index /= sizes[i];
  return index % sizes[part];
}

// The fixed number in "12*s77" or "Mul(Integer(12), Symbol('s77', ...))": a variable dimension is taken as (variable, fixed),
// as a merged batch is. 1 when there is none.
std::int64_t fixed_factor(const Dim& dim) {
  if (dim.is_fixed()) return dim.size;
  std::string_view text = dim.expression;
  for (std::string_view prefix : {"Mul(Integer(", "Mul(", "Integer("}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  std::int64_t factor = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), factor);
  bool multiplies = error == std::errc{} && end != text.data() + text.size() && (*end == '*' || *end == ')' || *end == ',');
  return multiplies && factor > 0 && dim.size % factor == 0 ? factor : 1;
}

std::vector<Unit> intersection(std::span<const Unit> a, std::span<const Unit> b) {
  std::vector<Unit> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

// One label for each index of the open dimensions: what differs only in the others is tied.
std::vector<Label> tie_along(UnitTable& units, const std::vector<Label>& labels, const std::vector<std::int64_t>& sizes, const std::vector<std::size_t>& open,
                             std::size_t size, Reason reason) {
  std::vector<Label> reduced(size, -1);
  for (std::size_t k = 0; k < labels.size(); ++k) {
    std::int64_t r = 0;
    for (std::size_t part : open) r = r * sizes[part] + digit(static_cast<std::int64_t>(k), sizes, part);
    Label& first = reduced[static_cast<std::size_t>(r)];
    if (first == -1) {
      first = labels[k];
    } else if (first != labels[k]) {
      units.tie(first, labels[k], reason);
    }
  }
  for (Label& label : reduced) label = units.canonical(label);
  return reduced;
}

// Units that all elements of a slice share: for each dimension and index. Empty when they do not make up every label.
std::vector<std::vector<Label>> find_factors(UnitTable& units, const std::vector<Label>& labels,
                                             const std::vector<std::int64_t>& sizes) {
  std::vector<std::vector<std::vector<Unit>>> shared(sizes.size());
  std::vector<std::vector<bool>> seen(sizes.size());
  for (std::size_t part = 0; part < sizes.size(); ++part) {
    shared[part].resize(static_cast<std::size_t>(sizes[part]));
    seen[part].resize(static_cast<std::size_t>(sizes[part]));
  }
  for (std::size_t k = 0; k < labels.size(); ++k) {
    std::span<const Unit> members = units.units(labels[k]);
    for (std::size_t part = 0; part < sizes.size(); ++part) {
      auto i = static_cast<std::size_t>(digit(static_cast<std::int64_t>(k), sizes, part));
      std::vector<Unit>& common = shared[part][i];
      if (seen[part][i]) {
        common = intersection(common, members);
      } else {
        common.assign(members.begin(), members.end());
        seen[part][i] = true;
      }
    }
  }
  std::vector<std::vector<Label>> factors(sizes.size());
  for (std::size_t part = 0; part < sizes.size(); ++part) {
    for (const std::vector<Unit>& common : shared[part]) {
      Label label = kKept;
      for (Unit unit : common) label = units.join(label, units.label(unit));
      factors[part].push_back(label);
    }
  }
  for (std::size_t k = 0; k < labels.size(); ++k) {
    Label made = kKept;
    for (std::size_t part = 0; part < sizes.size(); ++part) {
      made = units.join(made, factors[part][static_cast<std::size_t>(digit(static_cast<std::int64_t>(k), sizes, part))]);
    }
    if (made != labels[k]) return {};
  }
  return factors;
}

}  // namespace

Axis Ties::merge(const Axes& parts) {
  std::vector<std::int64_t> sizes;
  for (const Axis& part : parts) sizes.push_back(part.size);
  if (std::ranges::all_of(parts, &Axis::is_kept)) return {product(sizes), nullptr, parts.empty() ? -1 : parts.front().reason};
  std::vector<Label> merged{kKept};
  for (const Axis& part : parts) {
    std::vector<Label> inner = labels_of(part);
    for (Label& label : inner) label = units_.canonical(label);
    std::vector<Label> next;
    next.reserve(merged.size() * inner.size());
    for (Label outer : merged) {
      for (Label label : inner) next.push_back(units_.join(outer, label));
    }
    merged = std::move(next);
  }
  return made(std::move(merged));
}

Axes Ties::split(const Axis& axis, const std::vector<std::int64_t>& sizes, const std::vector<bool>& keep_parts) {
  if (axis.is_kept() || product(sizes) != axis.size) {
    if (!axis.is_kept()) keep(axis, "split into sizes that do not fit");
    Axes all;
    for (std::int64_t size : sizes) all.push_back({size, nullptr, axis.reason});
    return all;
  }
  return split_labels(*axis.labels, sizes, keep_parts);
}

Axes Ties::split_labels(std::vector<Label> labels, const std::vector<std::int64_t>& sizes, const std::vector<bool>& keep_parts) {
  // Dimensions that stay whole first: their elements must all carry the same label.
  Reason reason = why("a view splits it");
  std::vector<std::size_t> open;
  std::vector<std::int64_t> open_sizes;
  for (std::size_t part = 0; part < sizes.size(); ++part) {
    if (sizes[part] == 1 || (part < keep_parts.size() && keep_parts[part])) continue;
    open.push_back(part);
    open_sizes.push_back(sizes[part]);
  }
  std::vector<Label> reduced = tie_along(units_, labels, sizes, open, static_cast<std::size_t>(product(open_sizes)), reason);
  Axes result;
  for (std::int64_t size : sizes) result.push_back({size, nullptr, reason});
  if (open.empty()) {
    for (Label label : reduced) units_.keep(label, reason);
    return result;
  }
  if (open.size() == 1) {
    result[open[0]] = made(std::move(reduced));
    return result;
  }
  std::vector<std::vector<Label>> factors = find_factors(units_, reduced, open_sizes);
  if (factors.empty()) {
    Axes parts;
    for (std::int64_t size : open_sizes) parts.push_back(fresh(size));
    Axis whole = merge(parts);
    units_.tie(*whole.labels, reduced, reason);
    for (std::size_t i = 0; i < open.size(); ++i) result[open[i]] = parts[i];
    return result;
  }
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (std::ranges::any_of(factors[i], [](Label label) { return label != kKept; })) result[open[i]] = made(std::move(factors[i]));
  }
  return result;
}

Axes Ties::split_dims(const Axis& axis, const std::vector<Dim>& dims) {
  std::vector<std::int64_t> sizes;
  std::vector<bool> variable;
  for (const Dim& dim : dims) {
    std::int64_t fixed = fixed_factor(dim);
    sizes.push_back(dim.size / fixed);
    variable.push_back(!dim.is_fixed());
    sizes.push_back(fixed);
    variable.push_back(false);
  }
  Axes halves = split(axis, sizes, variable), result;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    result.push_back(dims[d].is_fixed() ? halves[2 * d + 1] : merge({halves[2 * d], halves[2 * d + 1]}));
  }
  return result;
}

Axes Ties::reshape(const Axes& from, const std::vector<Dim>& from_dims, const std::vector<Dim>& to_dims) {
  Axes result;
  for (const Dim& dim : to_dims) result.push_back({dim.size, nullptr, why("reshaped")});
  auto next = [](std::size_t i, const std::vector<Dim>& dims) {  // skips dimensions of size 1
    while (i < dims.size() && dims[i].size == 1) ++i;
    return i;
  };
  std::size_t i = next(0, from_dims), j = next(0, to_dims);
  while (i < from_dims.size() && j < to_dims.size()) {
    std::vector<std::size_t> left{i}, right{j};
    std::int64_t left_size = from_dims[i].size, right_size = to_dims[j].size;
    i = next(i + 1, from_dims);
    j = next(j + 1, to_dims);
    while (left_size != right_size) {
      bool grow_left = left_size < right_size;
      std::size_t& at = grow_left ? i : j;
      const std::vector<Dim>& dims = grow_left ? from_dims : to_dims;
      if (at >= dims.size()) {  // empty tensors, or hints that do not fit
        for (const Axis& axis : from) keep(axis, "reshaped in a way that sizes do not explain");
        return result;
      }
      (grow_left ? left : right).push_back(at);
      (grow_left ? left_size : right_size) *= dims[at].size;
      at = next(at + 1, dims);
    }
    Axes parts;
    for (std::size_t k : left) parts.push_back(from[k]);
    Axis whole = parts.size() == 1 ? parts[0] : merge(parts);
    if (right.size() == 1) {
      result[right[0]] = whole;
      continue;
    }
    std::vector<Dim> dims;
    for (std::size_t k : right) dims.push_back(to_dims[k]);
    Axes made_parts = split_dims(whole, dims);
    for (std::size_t k = 0; k < right.size(); ++k) result[right[k]] = made_parts[k];
  }
  return result;
}

}  // namespace dsc
