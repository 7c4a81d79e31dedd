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

// The product of which this operand is the matrices.
std::optional<RoutedProduct> find_through(const Value* operand) {
  RoutedProduct product;
  Node* node = operand->producer();
  while (node && node->outputs().size() == 1 && operand->tensor().rank() == 3 && swaps_matrices(*node)) {
    product.transposed = !product.transposed;
    product.between.insert(product.between.begin(), node);
    operand = node->find_value("self");
    node = operand->producer();
  }
  const auto stack = find_look_up(operand);
  if (!stack || value_of(*stack)->tensor().rank() != 3 || !is_floating(value_of(*stack)->tensor().dtype)) return std::nullopt;
  product.between.insert(product.between.begin(), node);
  product.stack = *stack;
  product.experts = looked_up_rows(*node);
  return product;
}

bool is_batched_product(const Node& node) {
  return node.is("aten.bmm.default") || (node.is("aten.matmul.default") && node.output()->tensor().rank() == 3);
}

}  // namespace

std::optional<Use> find_look_up(const Value* rows) {
  Node* node = rows->producer();
  return node && looked_up_rows(*node) ? use_of_argument(node, "self") : std::nullopt;
}

std::optional<RoutedProduct> find_routed_product(const Node& node) {
  if (!is_batched_product(node)) return std::nullopt;
  const auto operands = tensor_arguments(node);
  for (const std::size_t matrices : {0, 1}) {
    if (operands.size() != 2 || operands[matrices]->tensor().rank() != 3) continue;
    auto product = find_through(operands[matrices]);
    if (!product) continue;
    product->input = operands[1 - matrices];
    product->matrices_left = matrices == 0;
    return product;
  }
  return std::nullopt;
}

std::optional<ExpertLayer> find_expert_layer(const Graph& graph, Node* node) {
  const auto product = find_routed_product(*node);
  const GraphInput* input = product ? graph.find_input(value_of(product->stack)) : nullptr;
  if (!input || !input->is_weight()) return std::nullopt;
  return ExpertLayer{product->stack, product->experts, product->input, product->matrices_left != product->transposed};
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
