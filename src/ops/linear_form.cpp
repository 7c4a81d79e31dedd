#include "ops/linear_form.h"

#include <string_view>
#include <utility>
#include <vector>

#include "ops/arguments.h"

namespace dsc {
namespace {

// The stored matrix that the value is the transpose of; null: it is none.
Value* transposed_weight(const Graph& graph, const Value* value) {
  const Node* node = value ? value->producer() : nullptr;
  Value* weight = node ? node->find_value("self") : nullptr;
  const GraphInput* input = weight ? graph.find_input(weight) : nullptr;
  if (!input || !input->is_weight() || weight->tensor().rank() != 2) return nullptr;
  const std::string_view op = node->op();
  const bool permutes = op == "aten.permute" && dims_or(*node, "dims", {}, 2) == std::vector<std::int64_t>{1, 0};
  const bool transposes = op == "aten.transpose" && dim_or(*node, "dim0", 0, 2) != dim_or(*node, "dim1", 0, 2);
  return permutes || transposes || op == "aten.t" || op == "aten.numpy_T" || op == "aten.mT" ? weight : nullptr;
}

bool is_one(const Node& node, std::string_view name) {
  const Argument* argument = node.find_argument(name);
  return !argument || *argument == Argument{std::int64_t{1}} || *argument == Argument{1.0};
}

bool adds_a_bias(const Node& node) {
  const Value* bias = node.find_value("self");
  return bias && bias->tensor().rank() == 1 && is_one(node, "alpha") && is_one(node, "beta");
}

}  // namespace

std::int64_t recompose_linear_layers(Graph& graph) {
  std::int64_t found = 0;
  for (Node* node : graph.nodes()) {
    const bool is_addmm = node->is("aten.addmm.default"), is_mm = node->is("aten.mm.default");
    const bool is_matmul = node->is("aten.matmul.default") && node->find_value("self")->tensor().rank() >= 2;
    if (!is_mm && !is_matmul && !(is_addmm && adds_a_bias(*node))) continue;
    Value* transposed = node->find_value(is_matmul ? "other" : "mat2");
    Value* weight = transposed_weight(graph, transposed);
    if (!weight) continue;
    std::vector<NamedArgument> arguments = {{"input", node->find_value(is_addmm ? "mat1" : "self")}, {"weight", weight}};
    if (is_addmm) arguments.push_back({"bias", node->find_value("self")});
    graph.set_arguments(node, std::move(arguments));
    graph.set_target(node, "aten.linear.default");
    graph.erase_if_dead(transposed->producer());
    ++found;
  }
  return found;
}

}  // namespace dsc
