// Operators that move, drop, repeat or turn dimensions.
#include <algorithm>
#include <numeric>

#include "ops/arguments.h"
#include "ops/op_info.h"
#include "ops/resize.h"

namespace dsc {
namespace {


// order[i]: which input dimension becomes output dimension i.
std::vector<std::int64_t> order_of(const Node& node, std::int64_t rank) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  std::string_view op = plain_op(node);
  if (op == "aten.permute") return dims_or(node, "dims", order, rank);
  if (op == "aten.numpy_T" || op == "aten.t") {
    std::ranges::reverse(order);
  } else if (op == "aten.mT") {
    std::swap(order[order.size() - 1], order[order.size() - 2]);
  } else if (op == "aten.movedim") {
    std::vector<std::int64_t> from = dims_or(node, "source", {}, rank), to = dims_or(node, "destination", {}, rank);
    std::erase_if(order, [&](std::int64_t dim) { return std::ranges::find(from, dim) != from.end(); });
    std::vector<std::size_t> by_target(from.size());
    std::iota(by_target.begin(), by_target.end(), 0);
    std::ranges::sort(by_target, {}, [&](std::size_t i) { return to[i]; });
    for (std::size_t i : by_target) order.insert(order.begin() + to[i], from[i]);
  } else {  // transpose(dim0, dim1), swapaxes(axis0, axis1)
    bool axes = node.find_argument("axis0") != nullptr;
    auto a = static_cast<std::size_t>(dim_or(node, axes ? "axis0" : "dim0", 0, rank));
    auto b = static_cast<std::size_t>(dim_or(node, axes ? "axis1" : "dim1", 1, rank));
    if (rank > 0) std::swap(order[a], order[b]);
  }
  return order;
}

void tie_permute(Ties& ties, const Node& node) {
  Axes from = ties.axes(self_of(node)), result;
  for (std::int64_t dim : order_of(node, static_cast<std::int64_t>(from.size()))) result.push_back(from.at(static_cast<std::size_t>(dim)));
  ties.define(node.output(), std::move(result));
}

std::vector<std::int64_t> squeezed_dims(const Node& node) {
  const Value* self = self_of(node);
  std::int64_t rank = self->tensor().rank();
  std::vector<std::int64_t> all(static_cast<std::size_t>(rank));
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::int64_t> dims = is_given(node, "dim") ? dims_or(node, "dim", {}, rank) : all;
  std::erase_if(dims, [&](std::int64_t d) {
    const Dim& dim = self->tensor().sizes[static_cast<std::size_t>(d)];
    return !dim.is_fixed() || dim.size != 1;
  });
  return dims;
}

void tie_squeeze(Ties& ties, const Node& node) {
  Axes from = ties.axes(self_of(node)), result;
  std::vector<std::int64_t> gone = squeezed_dims(node);
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (std::ranges::find(gone, static_cast<std::int64_t>(d)) == gone.end()) result.push_back(from[d]);
  }
  ties.define(node.output(), std::move(result));
}

// squeeze without dimensions would also drop one that shrinks to 1.
void resize_squeeze(Resizer& resizer, Node& node) {
  if (is_given(node, "dim")) return;
  IntList dims;
  for (std::int64_t dim : squeezed_dims(node)) dims.emplace_back(dim);
  resizer.graph().set_target(&node, node.op() == "aten.squeeze_" ? "aten.squeeze_.dims" : "aten.squeeze.dims");
  resizer.graph().set_argument(&node, "dim", std::move(dims));
}

// A repeated single element makes a dimension of equal elements: any number of them can go.
Axis repeated(Ties& ties, const Dim& dim) {
  return dim.is_fixed() ? ties.fresh(dim.size) : ties.kept(dim.size, "repeated a variable number of times");
}

void tie_expand(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  const std::vector<Dim>& to = ties.dims(node.output());
  Axes from = ties.axes(self), result;
  const Value* like = node.find_value("other");
  for (std::size_t d = 0; d < to.size(); ++d) {
    std::size_t missing = to.size() - from.size();
    if (d >= missing && from[d - missing].size == to[d].size) {
      result.push_back(from[d - missing]);
      if (like) ties.tie(result.back(), ties.axis(like, static_cast<std::int64_t>(d)));
    } else {
      result.push_back(like ? ties.axis(like, static_cast<std::int64_t>(d)) : repeated(ties, to[d]));
    }
  }
  ties.define(node.output(), std::move(result));
}

void resize_expand(Resizer& resizer, Node& node) { resize_list(resizer, node, "size", node.output()); }

void tie_repeat(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  const std::vector<Dim>& to = ties.dims(node.output());
  Axes from = ties.axes(self), result;
  IntList repeats = int_list(node, node.find_argument("dims") ? "dims" : "repeats");
  for (std::size_t d = 0; d < to.size(); ++d) {
    std::size_t missing = to.size() - from.size();
    Axis old = d < missing ? ties.kept(1, "new") : from[d - missing];
    std::size_t offset = to.size() - repeats.size();
    const auto* count = d < offset ? nullptr : std::get_if<std::int64_t>(&repeats[d - offset]);
    Axis times = count ? ties.fresh(*count) : ties.kept(old.size > 0 ? to[d].size / old.size : 0, "repeated a variable number of times");
    if (d < offset) times = ties.kept(1, "not repeated");
    ties.remember(times);
    result.push_back(ties.merge({times, old}));
  }
  ties.define(node.output(), std::move(result));
}

void resize_repeat(Resizer& resizer, Node& node) {
  std::string_view name = node.find_argument("dims") ? "dims" : "repeats";
  IntList repeats = int_list(node, name);
  std::size_t offset = static_cast<std::size_t>(node.output()->tensor().rank()) - repeats.size();
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    if (auto* count = std::get_if<std::int64_t>(&repeats[i])) *count = resizer.remembered(node, offset + i);
  }
  resizer.graph().set_argument(&node, name, std::move(repeats));
}

// repeat_interleave(self, repeats, dim): each element several times in a row.
void tie_repeat_interleave(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  const auto* count = node.find_argument("repeats") ? std::get_if<std::int64_t>(node.find_argument("repeats")) : nullptr;
  if (!count || !is_given(node, "dim")) return ties.keep(self, "repeated a variable number of times");
  Axes result = ties.axes(self);
  auto dim = static_cast<std::size_t>(dim_or(node, "dim", 0, self->tensor().rank()));
  Axis times = ties.fresh(*count);
  ties.remember(times);
  result[dim] = ties.merge({result[dim], times});
  ties.define(node.output(), std::move(result));
}

void resize_repeat_interleave(Resizer& resizer, Node& node) {
  const auto* count = std::get_if<std::int64_t>(node.find_argument("repeats"));
  if (!count || !is_given(node, "dim")) return;
  resizer.graph().set_argument(&node, "repeats", resizer.remembered(node, 0));
  if (int_or(node, "output_size", -1) >= 0) {
    std::int64_t dim = dim_or(node, "dim", 0, node.output()->tensor().rank());
    resizer.graph().set_argument(&node, "output_size", resizer.new_size(node.output(), dim));
  }
}

void tie_flip(Ties& ties, const Node& node) {
  Axes axes = ties.axes(self_of(node));
  for (std::int64_t dim : dims_or(node, "dims", {}, static_cast<std::int64_t>(axes.size()))) {
    std::vector<std::int64_t> reversed(static_cast<std::size_t>(axes[static_cast<std::size_t>(dim)].size));
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    axes[static_cast<std::size_t>(dim)] = ties.pick(axes[static_cast<std::size_t>(dim)], reversed);
  }
  ties.define(node.output(), std::move(axes));
}

// Operators whose result depends on positions along some dimensions, and which keep the shape.
void tie_positions(Ties& ties, const Node& node) {
  Axes axes = ties.axes(self_of(node));
  auto rank = static_cast<std::int64_t>(axes.size());
  std::vector<std::int64_t> dims;
  if (plain_op(node) == "aten.tril" || plain_op(node) == "aten.triu") {
    dims = {rank - 2, rank - 1};
  } else {
    dims = dims_or(node, node.find_argument("dims") ? "dims" : "dim", {}, rank);
  }
  if (dims.empty()) ties.keep(self_of(node), std::string(node.op()) + " depends on positions in it");
  for (std::int64_t dim : dims) ties.keep(axes.at(static_cast<std::size_t>(dim)), std::string(node.op()) + " depends on positions in it");
  for (const Value* output : node.outputs()) {
    if (output->is_tensor() && output->tensor().rank() == rank) ties.define(output, axes);
  }
}

// Whether the biggest along the dimension are chosen later, as a router does with its probabilities.
bool is_chosen_from(const Value* value, std::int64_t dim) {
  const auto rank = value->tensor().rank();
  return std::ranges::any_of(value->uses(), [&](const Use& use) {
    if (!use.node || use.node->outputs().empty() || !use.node->output()->is_tensor()) return false;
    const std::string_view op = plain_op(*use.node);
    if (op == "aten.topk") return dim_or(*use.node, "dim", -1, rank) == dim;
    const bool is_elementwise = op == "aten.to" || op == "aten._to_copy" || op == "aten.mul" || op == "aten.add" || op == "aten.masked_fill";
    return is_elementwise && use.node->output()->tensor().rank() == rank && is_chosen_from(use.node->output(), dim);
  });
}

// Positions matter to what is made of the result, unless a choice among them is.
void tie_softmax(Ties& ties, const Node& node) {
  const Axes axes = ties.axes(self_of(node));
  const auto dim = dim_or(node, "dim", -1, static_cast<std::int64_t>(axes.size()));
  if (!is_chosen_from(node.output(), dim)) return tie_positions(ties, node);
  ties.changes_statistics(axes.at(static_cast<std::size_t>(dim)));
  ties.define(node.output(), axes);
}

constexpr OpTraits kPermutes{.moves_elements = true, .relayout = Relayout::permutes};
constexpr OpTraits kSwapsTwo{.moves_elements = true, .relayout = Relayout::swaps_two};
constexpr OpTraits kKeepsSwapped{.keeps_tensor = true, .relayout = Relayout::swaps_two};
constexpr OpTraits kCollectsSwapped{.collects_elements = true, .relayout = Relayout::swaps_two};

constexpr OpInfo kShapeOps[] = {
    {"aten.permute", tie_permute, nullptr, nullptr, kPermutes},
    {"aten.transpose", tie_permute, nullptr, nullptr, kSwapsTwo},
    {"aten.swapaxes", tie_permute, nullptr, nullptr, kCollectsSwapped},
    {"aten.swapdims", tie_permute, nullptr, nullptr, kCollectsSwapped},
    {"aten.t", tie_permute, nullptr, nullptr, kKeepsSwapped},
    {"aten.numpy_T", tie_permute, nullptr, nullptr, kKeepsTensor},
    {"aten.mT", tie_permute, nullptr, nullptr, kKeepsSwapped},
    {"aten.movedim", tie_permute, nullptr, nullptr, kCollectsElements},
    {"aten.squeeze", tie_squeeze, resize_squeeze, nullptr, kRegroups},
    {"aten.expand", tie_expand, resize_expand, nullptr, kMovesElements},
    {"aten.expand_as", tie_expand, nullptr, nullptr, kCollectsElements},
    {"aten.broadcast_to", tie_expand, resize_expand, nullptr, kCollectsElements},
    {"aten.repeat", tie_repeat, resize_repeat, nullptr, kCollectsElements},
    {"aten.tile", tie_repeat, resize_repeat, nullptr, kCollectsElements},
    {"aten.repeat_interleave", tie_repeat_interleave, resize_repeat_interleave, nullptr, kCollectsElements},
    {"aten.flip", tie_flip, nullptr, nullptr, kCollectsElements},
    {"aten.roll", tie_positions, nullptr, nullptr, kCollectsElements},
    {"aten.tril", tie_positions},
    {"aten.triu", tie_positions},
    {"aten.cumsum", tie_positions},
    {"aten.cumprod", tie_positions},
    {"aten.sort", tie_positions},
    {"aten.softmax", tie_softmax},
    {"aten._softmax", tie_softmax},
    {"aten.log_softmax", tie_softmax},
    {"aten._log_softmax", tie_softmax},
};

}  // namespace

std::span<const OpInfo> shape_ops() { return kShapeOps; }

}  // namespace dsc
