// Concatenation, splitting, slicing and padding: labels keep their offsets.
#include <algorithm>
#include <limits>

#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

std::size_t at(std::int64_t dim) { return static_cast<std::size_t>(dim); }

void tie_cat(Ties& ties, const Node& node) {
  std::vector<Value*> parts = tensor_arguments(node);
  std::int64_t rank = node.output()->tensor().rank();
  std::erase_if(parts, [&](const Value* part) { return part->tensor().rank() != rank; });  // legacy empty tensors
  std::int64_t dim = dim_or(node, "dim", 0, rank);
  Axes joined;
  for (const Value* part : parts) joined.push_back(ties.axis(part, dim));
  Axes result = ties.axes(parts.at(0));
  for (std::int64_t d = 0; d < rank; ++d) {
    if (d == dim) {
      result[at(d)] = ties.concatenate(joined);
      continue;
    }
    for (std::size_t i = 1; i < parts.size(); ++i) {
      Axis other = ties.axis(parts[i], d);
      ties.tie(result[at(d)], other);
      if (other.is_kept()) result[at(d)] = other;
    }
  }
  ties.define(node.output(), std::move(result));
}

void tie_stack(Ties& ties, const Node& node) {
  std::vector<Value*> parts = tensor_arguments(node);
  std::int64_t dim = dim_or(node, "dim", 0, node.output()->tensor().rank());
  Axes result = ties.axes(parts.at(0));
  for (std::size_t d = 0; d < result.size(); ++d) {
    for (std::size_t i = 1; i < parts.size(); ++i) {
      Axis other = ties.axis(parts[i], static_cast<std::int64_t>(d));
      ties.tie(result[d], other);
      if (other.is_kept()) result[d] = other;
    }
  }
  result.insert(result.begin() + dim, ties.kept(static_cast<std::int64_t>(parts.size()), "stacked"));
  ties.define(node.output(), std::move(result));
}

// split, split_with_sizes, chunk, tensor_split: the outputs' sizes say where the cuts are.
void tie_split(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  Axes whole = ties.axes(self);
  std::int64_t start = 0;
  for (const Value* output : node.outputs()) {
    std::int64_t end = start + ties.dims(output)[at(dim)].size;
    Axes part = whole;
    part[at(dim)] = ties.slice(whole[at(dim)], start, end);
    ties.define(output, std::move(part));
    start = end;
  }
}

void resize_split(Resizer& resizer, Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  if (!resizer.is_changed(self, dim)) return;
  IntList sizes;
  for (const Value* output : node.outputs()) sizes.emplace_back(resizer.new_size(output, dim));
  std::vector<NamedArgument> arguments = {{"self", tensor_arguments(node).at(0)}, {"split_sizes", std::move(sizes)}, {"dim", dim}};
  resizer.graph().set_target(&node, "aten.split_with_sizes.default");
  resizer.graph().set_arguments(&node, std::move(arguments));
}

void tie_unbind(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  Axes axes = ties.axes(self);
  ties.keep(axes.at(at(dim)), "unbound into separate tensors");
  axes.erase(axes.begin() + dim);
  for (const Value* output : node.outputs()) ties.define(output, axes);
}

struct Range {
  std::int64_t start = 0, end = 0, step = 1;
  bool is_known = true;
};

Range range_of(const Node& node, std::int64_t size) {
  auto bound = [&](std::string_view name, std::int64_t otherwise, bool& known) {
    const Argument* argument = node.find_argument(name);
    if (argument && std::holds_alternative<Value*>(*argument)) known = false;
    std::int64_t value = int_or(node, name, otherwise);
    if (value < 0) value += size;
    return std::clamp(value, std::int64_t{0}, size);
  };
  Range range;
  range.start = bound("start", 0, range.is_known);
  range.end = std::max(range.start, bound("end", std::numeric_limits<std::int64_t>::max(), range.is_known));
  range.step = int_or(node, "step", 1);
  return range;
}

Range narrowed_range(const Node& node, std::int64_t size) {
  const Argument *start = node.find_argument("start"), *length = node.find_argument("length");
  if (!start || !length || !std::holds_alternative<std::int64_t>(*start) || !std::holds_alternative<std::int64_t>(*length))
    return {.is_known = false};
  const std::int64_t first = normal_dim(std::get<std::int64_t>(*start), size);
  return {.start = first, .end = first + std::get<std::int64_t>(*length)};
}

// The indices that a slice takes. With a step, each block of `step` elements (counted from 0) must stay or go as one, so
// that the same slice still takes the right ones.
Axis sliced(Ties& ties, const Axis& axis, const Range& range, std::int64_t out_size) {
  if (!range.is_known) {
    ties.keep(axis, "sliced at a variable place");
    return {out_size, nullptr, axis.reason};
  }
  if (axis.is_kept()) return {out_size, nullptr, axis.reason};
  if (range.step > 1) {
    for (std::int64_t block = 0; block < axis.size; block += range.step) {
      for (std::int64_t k = block + 1; k < std::min(block + range.step, axis.size); ++k) {
        ties.tie(ties.slice(axis, block, block + 1), ties.slice(axis, k, k + 1));
      }
    }
  }
  return ties.slice(axis, range.start, range.end, range.step);
}

void tie_slice(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  Axes axes = ties.axes(self);
  axes[at(dim)] = sliced(ties, axes[at(dim)], range_of(node, axes[at(dim)].size), ties.dims(node.output())[at(dim)].size);
  ties.define(node.output(), std::move(axes));
}

void resize_slice(Resizer& resizer, Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  if (!resizer.is_changed(self, dim)) return;
  Range range = range_of(node, resizer.old_size(self, dim));
  std::int64_t phase = range.start % range.step, start = phase + resizer.kept_between(self, dim, 0, range.start - phase);
  if (is_given(node, "start")) resizer.graph().set_argument(&node, "start", start);
  if (is_given(node, "end") && range.end < resizer.old_size(self, dim)) {
    std::int64_t count = resizer.new_size(node.output(), dim);
    resizer.graph().set_argument(&node, "end", count > 0 ? start + (count - 1) * range.step + 1 : start);
  } else if (is_given(node, "end")) {
    resizer.graph().set_argument(&node, "end", std::numeric_limits<std::int64_t>::max());
  }
}

// narrow(self, dim, start, length)
void tie_narrow(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  const std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  Axes axes = ties.axes(self);
  axes[at(dim)] = sliced(ties, axes[at(dim)], narrowed_range(node, axes[at(dim)].size), ties.dims(node.output())[at(dim)].size);
  ties.define(node.output(), std::move(axes));
}

void resize_narrow(Resizer& resizer, Node& node) {
  const Value* self = self_of(node);
  const std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  if (!resizer.is_changed(self, dim)) return;
  const Range range = narrowed_range(node, resizer.old_size(self, dim));
  resizer.graph().set_argument(&node, "start", resizer.kept_between(self, dim, 0, range.start));
  resizer.graph().set_argument(&node, "length", resizer.new_size(node.output(), dim));
}

// slice_scatter(self, src, dim, start, end, step): writes src over a slice of self.
void tie_slice_scatter(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  const Value* source = node.find_value("src");
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  Axes axes = ties.axes(self);
  for (std::int64_t d = 0; d < static_cast<std::int64_t>(axes.size()); ++d) {
    Axis written = axes[at(d)];
    if (d == dim) written = sliced(ties, written, range_of(node, written.size), ties.dims(source)[at(d)].size);
    ties.tie(written, ties.axis(source, d));
  }
  ties.define(node.output(), std::move(axes));
}

void tie_select(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  Axes axes = ties.axes(self);
  const Axis chosen = axes.at(at(dim));
  const Argument* index = node.find_argument("index");
  if (index && std::holds_alternative<std::int64_t>(*index)) {
    std::int64_t k = normal_dim(std::get<std::int64_t>(*index), chosen.size);
    ties.keep(ties.slice(chosen, k, k + 1), "one element is selected");
  } else {
    ties.keep(chosen, "an element is selected at a variable place");
  }
  axes.erase(axes.begin() + dim);
  ties.define(node.output(), std::move(axes));
}

void resize_select(Resizer& resizer, Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  if (!resizer.is_changed(self, dim)) return;
  std::int64_t index = normal_dim(int_or(node, "index", 0), resizer.old_size(self, dim));
  resizer.graph().set_argument(&node, "index", resizer.kept_between(self, dim, 0, index));
}

// pad(self, pad, mode, value): pairs (before, after) from the last dimension. Constant elements can go freely, which
// lets the padded channels of a parameter-free shortcut follow the layer they are added to.
void tie_pad(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  Axes axes = ties.axes(self);
  std::vector<std::int64_t> pad = ints_or(node, node.find_argument("pad") ? "pad" : "padding", {});
  bool constant = text_or(node, "mode", "constant") == "constant" && !plain_op(node).starts_with("aten.re");
  for (std::size_t i = 0; i * 2 + 1 < pad.size(); ++i) {
    std::size_t d = axes.size() - 1 - i;
    std::int64_t before = pad[i * 2], after = pad[i * 2 + 1], size = ties.dims(node.output())[d].size;
    Axis front = ties.kept(0, "no padding"), back = front;
    if (before == 0 && after == 0) {
      // not padded
    } else if (axes[d].is_kept()) {
      axes[d].size = size;
    } else if (!constant || before < 0 || after < 0) {
      ties.keep(axes[d], "padded with its own elements, or cropped");
      axes[d] = {size, nullptr, axes[d].reason};
    } else {
      front = ties.free(before);
      back = ties.free(after);
      axes[d] = ties.concatenate({front, axes[d], back});
    }
    ties.remember(front);
    ties.remember(back);
  }
  ties.define(node.output(), std::move(axes));
}

void resize_pad(Resizer& resizer, Node& node) {
  const Value* self = self_of(node);
  std::string_view name = node.find_argument("pad") ? "pad" : "padding";
  IntList pad = int_list(node, name);
  for (std::size_t i = 0; i * 2 + 1 < pad.size(); ++i) {
    std::int64_t d = self->tensor().rank() - 1 - static_cast<std::int64_t>(i);
    if (!resizer.is_changed(self, d) && !resizer.is_changed(node.output(), d)) continue;
    if (!std::holds_alternative<std::int64_t>(pad[i * 2]) || !std::holds_alternative<std::int64_t>(pad[i * 2 + 1])) continue;
    pad[i * 2] = resizer.remembered(node, i * 2);
    pad[i * 2 + 1] = resizer.remembered(node, i * 2 + 1);
  }
  resizer.graph().set_argument(&node, name, std::move(pad));
}

// glu(self, dim): the first half times the sigmoid of the second.
void tie_glu(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", -1, self->tensor().rank());
  Axes axes = ties.axes(self);
  Axis whole = axes[at(dim)];
  Axis first = ties.slice(whole, 0, whole.size / 2), second = ties.slice(whole, whole.size / 2, whole.size);
  ties.tie(first, second);
  axes[at(dim)] = first;
  ties.define(node.output(), std::move(axes));
}

constexpr OpInfo kJoinOps[] = {
    {"aten.cat", tie_cat, nullptr, nullptr, kCollectsElements},
    {"aten.concat", tie_cat, nullptr, nullptr, kCollectsElements},
    {"aten.stack", tie_stack, nullptr, nullptr, kCollectsElements},
    {"aten.split", tie_split, resize_split, nullptr, kCollectsElements},
    {"aten.split_with_sizes", tie_split, resize_split, nullptr, kCollectsElements},
    {"aten.chunk", tie_split, resize_split, nullptr, kCollectsElements},
    {"aten.tensor_split", tie_split, resize_split, nullptr, kCollectsElements},
    {"aten.unbind", tie_unbind, nullptr, nullptr, kCollectsElements},
    {"aten.slice", tie_slice, resize_slice, nullptr, kMovesElements},
    {"aten.narrow", tie_narrow, resize_narrow, nullptr, kMovesElements},
    {"aten.slice_scatter", tie_slice_scatter, resize_slice},
    {"aten.select", tie_select, resize_select, nullptr, kMovesElements},
    {"aten.pad", tie_pad, resize_pad, nullptr, kMovesElements},
    {"aten.constant_pad_nd", tie_pad, resize_pad, nullptr, kMovesElements},
    {"aten.reflection_pad1d", tie_pad},
    {"aten.reflection_pad2d", tie_pad},
    {"aten.replication_pad1d", tie_pad},
    {"aten.replication_pad2d", tie_pad},
    {"aten.glu", tie_glu},
};

}  // namespace

std::span<const OpInfo> join_ops() { return kJoinOps; }

}  // namespace dsc
