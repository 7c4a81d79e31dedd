#include "ops/experts.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "ops/arguments.h"

namespace dsc {
namespace {

std::optional<Use> use_of_argument(Node* node, std::string_view name) {
  for (std::size_t i = 0; i < node->arguments().size(); ++i) {
    if (node->arguments()[i].name == name && std::holds_alternative<Value*>(node->arguments()[i].value)) return Use{node, i, 0};
  }
  return std::nullopt;
}

// The one tensor of integers that rows of dimension 0 are looked up with; null: another kind of look-up.
Value* looked_up_rows(const Node& node) {
  if (node.is("aten.index_select.default")) return int_or(node, "dim", -1) == 0 ? node.find_value("index") : nullptr;
  if (!node.is("aten.index.Tensor")) return nullptr;
  const Argument* argument = node.find_argument("indices");
  const auto* indices = argument ? std::get_if<ValueList>(argument) : nullptr;
  if (!indices || indices->empty() || std::any_of(indices->begin() + 1, indices->end(), [](const Value* other) { return other; })) return nullptr;
  Value* rows = indices->front();
  return rows && rows->tensor().rank() == 1 && rows->tensor().dtype != ScalarType::boolean ? rows : nullptr;
}

bool swaps_matrices(const Node& node) {
  if (node.op() == "aten.permute") return dims_or(node, "dims", {}, 3) == std::vector<std::int64_t>{0, 2, 1};
  return node.op() == "aten.transpose" && dim_or(node, "dim0", 0, 3) + dim_or(node, "dim1", 0, 3) == 3 && dim_or(node, "dim0", 0, 3) != 0;
}

// The layer of which this operand is the weight.
std::optional<ExpertLayer> find_through(const Graph& graph, const Value* operand, bool outputs_first) {
  const Node* node = operand->producer();
  while (node && node->outputs().size() == 1 && operand->tensor().rank() == 3 && swaps_matrices(*node)) {
    outputs_first = !outputs_first;
    operand = node->find_value("self");
    node = operand->producer();
  }
  const auto stack = find_look_up(operand);
  const GraphInput* input = stack ? graph.find_input(value_of(*stack)) : nullptr;
  if (!input || !input->is_weight() || input->value->tensor().rank() != 3 || !is_floating(input->value->tensor().dtype)) return std::nullopt;
  return ExpertLayer{.stack = *stack, .experts = looked_up_rows(*stack->node), .outputs_first = outputs_first};
}

bool is_batched_product(const Node& node) {
  return node.is("aten.bmm.default") || (node.is("aten.matmul.default") && node.output()->tensor().rank() == 3);
}

}  // namespace

std::optional<Use> find_look_up(const Value* rows) {
  Node* node = rows->producer();
  return node && looked_up_rows(*node) ? use_of_argument(node, "self") : std::nullopt;
}

std::optional<ExpertLayer> find_expert_layer(const Graph& graph, Node* product) {
  if (!is_batched_product(*product)) return std::nullopt;
  const auto operands = tensor_arguments(*product);
  for (const std::size_t weight : {0, 1}) {
    if (operands.size() != 2 || operands[weight]->tensor().rank() != 3) continue;
    auto layer = find_through(graph, operands[weight], weight == 0);
    if (!layer) continue;
    layer->input = operands[1 - weight];
    return layer;
  }
  return std::nullopt;
}

std::vector<Node*> readers_of_weight(const Value* weight) {
  std::vector<Node*> readers;
  const auto add = [&](Node* node) {
    if (node && std::find(readers.begin(), readers.end(), node) == readers.end()) readers.push_back(node);
  };
  for (const Use& use : weight->uses()) {
    add(use.node);
    if (!use.node || !looked_up_rows(*use.node)) continue;
    for (const Use& reader : use.node->output()->uses()) add(reader.node);
  }
  return readers;
}

void turn_experts_outputs_first(Model& model) {
  Graph& graph = model.graph;
  std::map<std::string, std::vector<Node*>> products;  // by stack
  for (Node* node : graph.nodes()) {
    const auto layer = find_expert_layer(graph, node);
    if (!layer || layer->outputs_first || layer->stack.node->output()->uses().size() != 1) continue;
    products[graph.find_input(value_of(layer->stack))->target].push_back(node);
  }
  const auto swapped = [](TensorType type) {
    std::swap(type.sizes.at(1), type.sizes.at(2));
    type.strides.clear();
    return type;
  };
  for (const auto& [name, readers] : products) {
    Value* stack = graph.find_weight(name);
    if (stack->uses().size() != readers.size()) continue;
    for (Node* product : readers) {
      Value* rows = find_expert_layer(graph, product)->stack.node->output();
      const Use use = rows->uses().front();
      Node* turned = graph.insert(use.node, "aten.transpose.int", {{"self", rows}, {"dim0", std::int64_t{1}}, {"dim1", std::int64_t{2}}},
                                  {{graph.unique_name(rows->name() + "_turned"), rows->type()}});
      graph.copy_origin(turned, use.node);
      graph.replace_use(use, turned->output());
      graph.set_type(rows, swapped(rows->tensor()));
    }
    graph.set_type(stack, swapped(stack->tensor()));
    model.weights.set(name, model.weights.get(name).detach().transpose(1, 2).contiguous());
  }
}

}  // namespace dsc
