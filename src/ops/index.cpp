// Table look-ups: the indexed dimension keeps its meaning, the others pass.
#include <algorithm>

#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

void tie_embedding(Ties& ties, const Node& node) {
  const Value* weight = node.find_value("weight");
  const Value* indices = node.find_value("indices");
  ties.keep(ties.axis(weight, 0), "rows of a look-up table");
  ties.set_role(weight, 1, Role::produces);
  Axes result = ties.axes(indices);
  result.push_back(ties.axis(weight, 1));
  ties.define(node.output(), std::move(result));
}

// index.Tensor(self, [i, None, j]): indexed dimensions are replaced by the indices' broadcast ones; those come first
// when a None lies between two indices.
void tie_index(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  const Argument* argument = node.find_argument("indices");
  const auto* indices = argument ? std::get_if<ValueList>(argument) : nullptr;
  if (!indices) return ties.keep(self, "indexed");
  Axes from = ties.axes(self), rest;
  std::vector<Axes> index_axes;
  std::int64_t first = -1, last = -1, count = 0;
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (d >= indices->size() || !(*indices)[d]) {
      rest.push_back(from[d]);
      continue;
    }
    const Value* index = (*indices)[d];
    if (index->tensor().dtype == ScalarType::boolean) return ties.keep(self, "indexed with a mask");
    ties.look_up(from[d], index);
    if (ties.positions(index)) ties.set_role(self, static_cast<std::int64_t>(d), Role::produces);
    for (const Axis& axis : ties.axes(index)) ties.keep(axis, "positions to look up");
    index_axes.push_back(ties.axes(index));
    if (first < 0) first = static_cast<std::int64_t>(d);
    last = static_cast<std::int64_t>(d);
    ++count;
  }
  std::int64_t width = 0;
  for (const Axes& axes : index_axes) width = std::max(width, static_cast<std::int64_t>(axes.size()));
  std::int64_t position = last - first + 1 == count ? first : 0;
  std::vector<Dim> all = ties.dims(node.output());
  std::vector<Dim> found(all.begin() + position, all.begin() + position + width);
  Axes inserted = ties.broadcast(index_axes, found);
  rest.insert(rest.begin() + position, inserted.begin(), inserted.end());
  ties.define(node.output(), std::move(rest));
}

void tie_index_select(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  const Value* index = node.find_value("index");
  Axes axes = ties.axes(self);
  auto dim = static_cast<std::size_t>(dim_or(node, "dim", 0, self->tensor().rank()));
  ties.look_up(axes[dim], index);
  if (ties.positions(index)) ties.set_role(self, static_cast<std::int64_t>(dim), Role::produces);
  for (const Axis& axis : ties.axes(index)) ties.keep(axis, "positions to look up");
  axes[dim] = ties.kept(ties.dims(node.output())[dim].size, "positions looked up");
  ties.define(node.output(), std::move(axes));
}

// Operators whose index tensors have the shape of their result.
void tie_nothing_free(Ties& ties, const Node& node) {
  for (const Value* value : tensor_arguments(node)) ties.keep(value, std::string(node.op()) + " looks up single elements");
}

// gather(self, dim, index), take_along_dim(self, indices, dim): elements of one dimension, for each element of the others.
void tie_gather(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  const Value* index = node.find_value(node.op() == "aten.gather" ? "index" : "indices");
  const std::int64_t rank = self->tensor().rank();
  if (!ties.positions(index) || !is_given(node, "dim") || index->tensor().rank() != rank) return tie_nothing_free(ties, node);
  const std::int64_t dim = dim_or(node, "dim", 0, rank);
  for (std::int64_t d = 0; d < rank; ++d) {
    if (d == dim) ties.look_up(ties.axis(self, d), index);
    else ties.tie(ties.axis(self, d), ties.axis(index, d));
  }
  ties.define(node.output(), ties.axes(index));
}

// scatter(self, dim, index, src or value): the same places, written.
void tie_scatter(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  const Value* index = node.find_value("index");
  const Value* source = node.find_value("src");
  const std::int64_t rank = self->tensor().rank();
  if (!ties.positions(index) || index->tensor().rank() != rank) return tie_nothing_free(ties, node);
  const std::int64_t dim = dim_or(node, "dim", 0, rank);
  for (std::int64_t d = 0; d < rank; ++d) {
    if (d == dim) ties.look_up(ties.axis(self, d), index);
    else ties.tie(ties.axis(self, d), ties.axis(index, d));
    if (source) ties.tie(ties.axis(source, d), ties.axis(index, d));
  }
  ties.define(node.output(), ties.axes(self));
}

constexpr OpInfo takes_positions(std::string_view name, void (*tie)(Ties&, const Node&), const PositionOperand& operand) {
  return {.op = name, .tie = tie, .traits = {.positions = &operand}};
}

constexpr OpInfo looks_up(std::string_view name, void (*tie)(Ties&, const Node&), const PositionOperand& operand, bool collects = false) {
  return {.op = name, .tie = tie, .traits = {.collects_elements = collects, .positions = &operand}, .looks_up = true};
}

constexpr QuantArguments kTable{QuantKind::table, "", "weight", 0};

constexpr std::string_view kTableWeights[] = {"weight"};
constexpr PositionOperand kRows{"indices", "weight"};
constexpr PositionOperand kRowsOfBags{.index = "indices", .data = "weight", .starts = "offsets"};
constexpr PositionOperand kAlongDim{"index", "self"}, kTakenAlongDim{"indices", "self"};
constexpr PositionOperand kEachDimension{"indices", "self", PositionsIn::own_dimensions};
constexpr PositionOperand kFlat{"index", "self", PositionsIn::all_elements};
constexpr PositionOperand kLabels{"target", "self", PositionsIn::classes};
constexpr PositionOperand kClass{"self", "", PositionsIn::class_count};

constexpr OpInfo kIndexOps[] = {
    {"aten.embedding", tie_embedding, nullptr, nullptr, {.positions = &kRows, .weights = kTableWeights}, &kTable},
    takes_positions("aten.embedding_bag", nullptr, kRowsOfBags),
    takes_positions("aten._embedding_bag", nullptr, kRowsOfBags),
    looks_up("aten.index", tie_index, kEachDimension, true),
    looks_up("aten.index_select", tie_index_select, kAlongDim, true),
    looks_up("aten.gather", tie_gather, kAlongDim),
    looks_up("aten.take_along_dim", tie_gather, kTakenAlongDim),
    looks_up("aten.scatter", tie_scatter, kAlongDim),
    takes_positions("aten.scatter_add", tie_nothing_free, kAlongDim),
    takes_positions("aten.scatter_reduce", nullptr, kAlongDim),
    takes_positions("aten.index_put", tie_nothing_free, kEachDimension),
    takes_positions("aten._unsafe_index", nullptr, kEachDimension),
    takes_positions("aten.index_add", nullptr, kAlongDim),
    takes_positions("aten.index_copy", nullptr, kAlongDim),
    takes_positions("aten.index_fill", nullptr, kAlongDim),
    takes_positions("aten.index_reduce", nullptr, kAlongDim),
    takes_positions("aten.take", nullptr, kFlat),
    takes_positions("aten.one_hot", nullptr, kClass),
    takes_positions("aten.nll_loss_nd", nullptr, kLabels),
    takes_positions("aten.cross_entropy_loss", nullptr, kLabels),
};

}  // namespace

std::span<const OpInfo> index_ops() { return kIndexOps; }

}  // namespace dsc
