#include "ops/cost.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "ir/control_flow.h"
#include "ir/inlined_branches.h"

namespace dsc {
namespace {

struct BatchSymbol {
  std::string name;
  double hint = 1;
};

// The symbol of the first user input's first dimension.
BatchSymbol find_batch(const Graph& graph) {
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value || !input.value->is_tensor()) continue;
    const std::vector<Dim>& sizes = input.value->tensor().sizes;
    if (!sizes.empty() && !sizes[0].is_fixed() && sizes[0].size > 0) return {sizes[0].expression, static_cast<double>(sizes[0].size)};
  }
  return {};
}

bool mentions(const std::string& expression, const std::string& symbol) {
  if (symbol.empty()) return false;
  auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (std::size_t at = expression.find(symbol); at != std::string::npos; at = expression.find(symbol, at + 1)) {
    std::size_t end = at + symbol.size();
    if ((at == 0 || !is_word(expression[at - 1])) && (end == expression.size() || !is_word(expression[end]))) return true;
  }
  return false;
}

double for_one_example(double size, const Dim& dim, const std::string& symbol, double batch) {
  return mentions(dim.expression, symbol) ? size / batch : size;
}

}  // namespace

std::vector<NodeCost> node_costs(const Model& model) {
  BatchSymbol batch = find_batch(model.graph);
  SizeOf size = [&](const Value* value, std::int64_t dim) {
    const Dim& d = value->tensor().sizes.at(static_cast<std::size_t>(dim));
    return for_one_example(static_cast<double>(d.size), d, batch.name, batch.hint);
  };
  std::vector<NodeCost> costs;
  std::set<const Value*> counted;
  for (const Node* node : model.graph.nodes()) {
    NodeCost cost{node, 0, 0};
    const OpInfo* info = find_op_info(*node);
    if (info && info->macs) cost.macs = info->macs(*node, size);
    for (const NamedArgument& argument : node->arguments()) {
      for (const Value* value : values_of(argument.value)) {
        const GraphInput* input = model.graph.find_input(value);
        if (!input || input->kind != InputKind::parameter || !counted.insert(value).second) continue;
        double count = 1;
        for (const Dim& dim : value->tensor().sizes) count *= static_cast<double>(dim.size);
        cost.parameters += count;
      }
    }
    if (cost.macs > 0 || cost.parameters > 0) costs.push_back(cost);
  }
  return costs;
}

Cost model_cost(const Model& model) {
  Cost total;
  const bool branches = std::ranges::any_of(model.graph.nodes(), [](const Node* node) { return is_control_flow(*node); });
  for (const NodeCost& cost : branches ? node_costs(with_inlined_branches(model)) : node_costs(model)) total.macs += cost.macs;
  total.parameters = static_cast<double>(parameter_count(model));
  total.bytes = static_cast<double>(weight_bytes(model));
  return total;
}

CostModel::CostModel(const Model& model, const ChannelGroups& groups) : model_(model), groups_(groups) {
  BatchSymbol batch = find_batch(model.graph);
  batch_ = batch.hint;
  batch_symbol_ = batch.name;
  for (const Node* node : model.graph.nodes()) {
    const OpInfo* info = find_op_info(*node);
    if (info && info->macs) nodes_.push_back(node);
  }
  std::set<const void*> seen;  // shared tensors count once
  for (const GraphInput& input : model.graph.inputs()) {
    if (!input.is_weight() || !seen.insert(model.weights.get(input.target).unsafeGetTensorImpl()).second) continue;
    Product product;
    const TensorType& type = input.value->tensor();
    for (std::int64_t d = 0; d < type.rank(); ++d) {
      std::int32_t axis = groups.axis_of(input.value, d);
      if (axis >= 0) {
        product.axes.push_back(axis);
      } else {
        product.factor *= static_cast<double>(type.sizes[static_cast<std::size_t>(d)].size);
      }
    }
    if (input.kind == InputKind::parameter) parameters_.push_back(product);
    product.factor *= static_cast<double>(byte_size(type.dtype));
    bytes_.push_back(std::move(product));
  }
}

double CostModel::value_of(const Product& product, const Extents& extents) const {
  double value = product.factor;
  for (std::int32_t axis : product.axes) value *= static_cast<double>(extents.kept[static_cast<std::size_t>(axis)]);
  return value;
}

Cost CostModel::after(const Extents& extents) const {
  SizeOf size = [&](const Value* value, std::int64_t dim) {
    const Dim& d = value->tensor().sizes[static_cast<std::size_t>(dim)];
    return for_one_example(static_cast<double>(groups_.size(value, dim, extents)), d, batch_symbol_, batch_);
  };
  Cost cost;
  for (const Node* node : nodes_) cost.macs += find_op_info(*node)->macs(*node, size);
  for (const Product& product : parameters_) cost.parameters += value_of(product, extents);
  for (const Product& product : bytes_) cost.bytes += value_of(product, extents);
  return cost;
}

}  // namespace dsc
