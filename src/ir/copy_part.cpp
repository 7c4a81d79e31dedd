#include "ir/copy_part.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace dsc {
namespace {

using Values = std::unordered_map<const Value*, Value*>;

Argument mapped(Argument argument, const Values& values) {
  if (auto* value = std::get_if<Value*>(&argument)) *value = values.at(*value);
  if (auto* list = std::get_if<ValueList>(&argument)) {
    for (Value*& value : *list) value = value ? values.at(value) : nullptr;
  }
  if (auto* list = std::get_if<IntList>(&argument)) {
    for (IntOrValue& item : *list) {
      if (auto* value = std::get_if<Value*>(&item)) *value = values.at(*value);
    }
  }
  return argument;
}

void copy_input(Graph& copy, const GraphInput& input, Values& values) {
  if (!input.value) return copy.add_literal_input(input.target, input.literal);
  values[input.value] = copy.add_input(input.kind, input.value->name(), input.target, input.value->type(), input.persistent);
}

Node* copy_node(Graph& copy, const Node& node, Values& values, Node* before = nullptr) {
  std::vector<NamedArgument> arguments;
  for (const NamedArgument& argument : node.arguments()) arguments.push_back({argument.name, mapped(argument.value, values), argument.is_keyword});
  std::vector<OutputSpec> outputs;
  for (const Value* output : node.outputs()) outputs.push_back({output->name(), output->type()});
  Node* made = copy.insert(before, node.target(), std::move(arguments), std::move(outputs), node.output_structure(), node.name());
  copy.copy_origin(made, &node);
  for (std::size_t i = 0; i < node.outputs().size(); ++i) values[node.output(i)] = made->output(i);
  return made;
}

}  // namespace

Graph copy_part(const Graph& graph, const std::function<bool(const GraphInput&)>& has_input, const std::function<bool(const Node&)>& has_node,
                const std::vector<GraphOutput>& outputs, const std::vector<Value*>& taken) {
  Graph copy;
  Values values;
  std::unordered_map<const Region*, const Region*> regions{{nullptr, nullptr}};
  for (const auto& region : graph.regions()) {
    Region made = *region;
    made.parent = regions.at(region->parent);
    regions[region.get()] = copy.add_region(std::move(made));
  }
  for (const GraphInput& input : graph.inputs()) {
    if (has_input(input)) copy_input(copy, input, values);
  }
  for (const Value* value : taken) values[value] = copy.add_input(InputKind::user, value->name(), value->name(), value->type());
  for (const Node* node : graph.nodes()) {
    if (has_node(*node)) copy.set_region(copy_node(copy, *node, values), regions.at(node->region()));
  }
  for (const GraphOutput& output : outputs) copy.add_output(output.kind, mapped(output.value, values), output.target);
  return copy;
}

std::vector<Argument> insert_part(Graph& graph, Node* before, const Graph& part, const std::vector<Value*>& operands) {
  Values values;
  for (std::size_t i = 0; i < part.inputs().size(); ++i) values[part.inputs()[i].value] = operands.at(i);
  for (const Node* node : part.nodes()) graph.set_region(copy_node(graph, *node, values, before), before->region());
  std::vector<Argument> outputs;
  for (const GraphOutput& output : part.outputs()) outputs.push_back(mapped(output.value, values));
  return outputs;
}

void drop_outputs(Graph& graph, const std::function<bool(const GraphOutput&)>& is_dropped) {
  std::vector<GraphOutput> kept = graph.outputs();
  std::erase_if(kept, is_dropped);
  if (kept.size() == graph.outputs().size()) return;
  graph = copy_part(graph, [](const GraphInput&) { return true; }, [](const Node&) { return true; }, kept);
}

}  // namespace dsc
