#include "ops/norm_weights.h"

#include <initializer_list>
#include <set>

namespace dsc {
namespace {

std::vector<std::string> weights_of_norms(const Graph& graph, std::initializer_list<const char*> arguments) {
  std::set<std::string> names;
  for (const Node* node : graph.nodes()) {
    if (!node->find_value("running_mean")) continue;
    for (const char* argument : arguments) {
      const Value* value = node->find_value(argument);
      const GraphInput* input = value ? graph.find_input(value) : nullptr;
      if (input && input->is_weight()) names.insert(input->target);
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace

std::vector<std::string> norm_statistics(const Graph& graph) { return weights_of_norms(graph, {"running_mean", "running_var"}); }
std::vector<std::string> norm_parameters(const Graph& graph) { return weights_of_norms(graph, {"weight", "bias"}); }

}  // namespace dsc
