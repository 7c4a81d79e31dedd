#include "pipeline/reduce.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ir/verify.h"

namespace dsc {
namespace {

// Outputs that removed nodes made say nothing any more, unless there is no other.
void drop_outputs_that_are_inputs(Model& model) {
  const auto is_passed_through = [&](const GraphOutput& output) {
    const auto* value = std::get_if<Value*>(&output.value);
    return value && model.graph.find_input(*value);
  };
  const auto& outputs = model.graph.outputs();
  if (std::all_of(outputs.begin(), outputs.end(), is_passed_through)) return;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].kind == OutputKind::user && is_passed_through(outputs[i])) model.graph.set_output(i, NoneArgument{});
  }
}

void drop_unused_inputs(Model& model) {
  std::vector<const Value*> unused;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::user && input.value && input.value->uses().empty()) unused.push_back(input.value);
  }
  for (const Value* value : unused) model.graph.remove_input(value);
}

// Without the nodes of these names. What they made becomes an input, and what only they read becomes an output.
Model without(const Model& model, const std::vector<std::string>& names) {
  Model smaller = model.clone();
  for (const std::string& name : names) {
    Node* node = smaller.graph.find_node(name);
    if (!node) continue;  // went as dead code
    for (Value* output : node->outputs()) {
      if (output->uses().empty()) continue;
      const std::string input = smaller.graph.unique_name(output->name() + "_in");
      smaller.graph.replace_uses(output, smaller.graph.add_input(InputKind::user, input, input, output->type()));
    }
    std::vector<Value*> read;
    for (const NamedArgument& argument : node->arguments()) {
      for (Value* value : values_of(argument.value)) read.push_back(value);
    }
    smaller.graph.erase(node);
    for (Value* value : read) {
      if (value->uses().empty() && value->producer()) smaller.graph.add_output(OutputKind::user, value);
    }
  }
  drop_outputs_that_are_inputs(smaller);
  for (const std::string& weight : smaller.graph.erase_dead_code(true)) smaller.weights.erase(weight);
  drop_unused_inputs(smaller);
  return smaller;
}

std::vector<std::string> node_names(const Model& model) {
  std::vector<std::string> names;
  for (const Node* node : model.graph.nodes()) names.push_back(node->name());
  return names;
}

}  // namespace

Reduction reduce_model(Model& model, const std::function<bool(const Model&)>& still_fails) {
  Reduction reduction{.nodes_before = static_cast<std::int64_t>(model.graph.node_count())};
  for (std::size_t chunk = std::max<std::size_t>(1, model.graph.node_count() / 2);;) {
    bool removed = false;
    const auto names = node_names(model);
    for (std::size_t end = names.size(); end > 0; end -= std::min(chunk, end)) {  // from the outputs: what is dead goes with them
      const std::size_t begin = end - std::min(chunk, end);
      Model smaller = without(model, {names.begin() + static_cast<std::ptrdiff_t>(begin), names.begin() + static_cast<std::ptrdiff_t>(end)});
      if (smaller.graph.node_count() >= model.graph.node_count() || !verify(smaller).empty()) continue;
      ++reduction.trials;
      if (!still_fails(smaller)) continue;
      model = std::move(smaller);
      removed = true;
    }
    if (chunk == 1 && !removed) break;
    if (chunk > 1) chunk /= 2;
  }
  reduction.nodes_after = static_cast<std::int64_t>(model.graph.node_count());
  return reduction;
}

}  // namespace dsc
