// Reductions. Removing elements of a summed dimension just leaves their terms out; a mean, variance or maximum over it
// changes as the statistic of a normalisation does, and the report says so.
#include <algorithm>

#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

bool is_sum(const Node& node) { return node.op() == "aten.sum" || node.op() == "aten.nansum"; }

bool keeps_order(const Node& node) {
  return node.op() == "aten.argmax" || node.op() == "aten.argmin" || node.op() == "aten.topk" ||
         node.is("aten.max.dim") || node.is("aten.min.dim");
}

void tie_reduce(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  Axes axes = ties.axes(self);
  auto rank = static_cast<std::int64_t>(axes.size());
  std::vector<std::int64_t> dims = dims_or(node, "dim", {}, rank);
  if (dims.empty()) {
    for (std::int64_t d = 0; d < rank; ++d) dims.push_back(d);
  }
  Axes result;
  bool keep_dims = bool_or(node, "keepdim", false);
  for (std::int64_t d = 0; d < rank; ++d) {
    const Axis& axis = axes[static_cast<std::size_t>(d)];
    if (std::ranges::find(dims, d) == dims.end()) {
      result.push_back(axis);
      continue;
    }
    if (keeps_order(node)) ties.keep(axis, std::string(node.op()) + " returns positions in it");
    if (!is_sum(node)) ties.changes_statistics(axis);
    if (keep_dims) result.push_back(ties.kept(1, "reduced"));
  }
  for (const Value* output : node.outputs()) {
    if (output->is_tensor() && output->tensor().rank() == static_cast<std::int64_t>(result.size())) ties.define(output, result);
  }
}

// max(self, other) works on elements, max(self) and max(self, dim) reduce.
void tie_max(Ties& ties, const Node& node) {
  if (!node.find_value("other")) return tie_reduce(ties, node);
  std::vector<Axes> operands;
  for (const Value* value : tensor_arguments(node)) operands.push_back(ties.axes(value));
  ties.define(node.output(), ties.broadcast(operands, ties.dims(node.output())));
}

void tie_topk(Ties& ties, const Node& node) {
  const Value* self = tensor_arguments(node).at(0);
  auto dim = static_cast<std::size_t>(dim_or(node, "dim", -1, self->tensor().rank()));
  Axes axes = ties.axes(self);
  const Axis whole = axes[dim];
  ties.at_least(whole, ties.dims(node.output())[dim].size);
  ties.changes_statistics(whole);  // the choice is among those that are left
  axes[dim] = ties.kept(ties.dims(node.output())[dim].size, "chosen positions");
  for (const Value* output : node.outputs()) ties.define(output, axes);
  if (node.outputs().size() == 2) ties.set_positions(node.output(1), whole);
}

constexpr OpInfo kReduceOps[] = {
    {"aten.sum", tie_reduce},       {"aten.nansum", tie_reduce}, {"aten.mean", tie_reduce},
    {"aten.prod", tie_reduce},      {"aten.amax", tie_reduce},   {"aten.amin", tie_reduce},
    {"aten.max", tie_max},          {"aten.min", tie_max},       {"aten.argmax", tie_reduce},
    {"aten.argmin", tie_reduce},    {"aten.std", tie_reduce},    {"aten.var", tie_reduce},
    {"aten.var_mean", tie_reduce},  {"aten.std_mean", tie_reduce}, {"aten.norm", tie_reduce},
    {"aten.linalg_vector_norm", tie_reduce}, {"aten.logsumexp", tie_reduce}, {"aten.any", tie_reduce},
    {"aten.all", tie_reduce},       {"aten.topk", tie_topk},
};

}  // namespace

std::span<const OpInfo> reduce_ops() { return kReduceOps; }

}  // namespace dsc
