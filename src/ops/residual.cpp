#include "ops/residual.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include "ops/arguments.h"
#include "ops/modules.h"

namespace dsc {
namespace {

using NodeSet = std::unordered_set<const Node*>;

// Nodes that compute `to` from `from`, both ends' producers excluded and included in turn; empty: it is not computed from it.
NodeSet nodes_between(const Value* from, const Value* to) {
  NodeSet below, between;
  std::vector<const Node*> todo;
  for (const Use& use : from->uses()) todo.push_back(use.node);
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    if (!node || !below.insert(node).second) continue;
    for (const Value* output : node->outputs()) {
      for (const Use& use : output->uses()) todo.push_back(use.node);
    }
  }
  todo.assign(1, to->producer());
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    if (!node || !below.contains(node) || !between.insert(node).second) continue;
    for (const NamedArgument& argument : node->arguments()) {
      for (const Value* value : values_of(argument.value)) todo.push_back(value->producer());
    }
  }
  return between;
}

}  // namespace

Value* find_shortcut(const Node& node) {
  if (plain_op(node) != "aten.add" || node.outputs().size() != 1) return nullptr;
  Value *a = node.find_value("self"), *b = node.find_value("other");
  if (!a || !b || a == b || !same_type(a, node.output()) || !same_type(b, node.output())) return nullptr;
  if (!nodes_between(a, b).empty()) return a;
  if (!nodes_between(b, a).empty()) return b;
  return nullptr;
}

namespace {

// The module as one block; none when it shows more than its output or no input fits.
std::optional<ResidualBlock> module_block(const Graph& graph, const std::string& module, const Value* shortcut) {
  const auto shown = values_shown(graph, module);
  const bool enters = !shortcut->producer() || !is_inside(*shortcut->producer(), module);
  if (shown.size() != 1 || !enters || !same_type(shortcut, shown.front())) return std::nullopt;
  return ResidualBlock{module, shortcut->name(), shown.front()->name()};
}

}  // namespace

std::vector<ResidualBlock> find_residual_blocks(const Graph& graph) {
  std::vector<ResidualBlock> blocks;
  std::set<std::string> modules;
  for (const Node* node : graph.nodes()) {
    const Value* shortcut = find_shortcut(*node);
    if (!shortcut) continue;
    std::string module = repeated_module(node->module_path());
    if (!module.empty()) {
      if (modules.contains(module)) continue;
      if (auto block = module_block(graph, module, shortcut)) {
        modules.insert(module);
        blocks.push_back(*block);
        continue;
      }
    }
    blocks.push_back({place_of(*node), shortcut->name(), node->output()->name()});
  }
  // Several adds of one module need names of their own.
  std::map<std::string, int> count;
  for (ResidualBlock& block : blocks) {
    int number = ++count[block.name];
    if (number > 1) block.name += "#" + std::to_string(number);
  }
  return blocks;
}

namespace {

void drop_between(Graph& graph, Value* input, Value* output) {
  NodeSet between = nodes_between(input, output);
  std::vector<Node*> order = graph.nodes();
  graph.replace_uses(output, input);
  // Backwards, so that users go before what they use. What changes a tensor from outside in place has an effect and stays.
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    if (!between.contains(*node)) continue;
    bool unused = std::ranges::all_of((*node)->outputs(), [](const Value* value) { return value->uses().empty(); });
    const Value* changed = has_side_effect(**node) && !(*node)->arguments().empty() ? (*node)->find_value("self") : nullptr;
    bool changes_outside = has_side_effect(**node) && (!changed || !changed->producer() || !between.contains(changed->producer()));
    if (unused && !changes_outside) graph.erase(*node);
  }
}

}  // namespace

void drop_blocks(Graph& graph, const std::vector<ResidualBlock>& blocks) {
  std::map<std::string, std::string> replaced;  // outputs of dropped blocks, and what took their place
  const auto now = [&](std::string name) {
    for (auto found = replaced.find(name); found != replaced.end(); found = replaced.find(name)) name = found->second;
    return graph.find_value(name);
  };
  for (const ResidualBlock& block : blocks) {
    Value *input = now(block.input), *output = now(block.output);
    if (!input || !output || input == output) continue;  // it went with a block around it
    replaced.emplace(output->name(), input->name());
    drop_between(graph, input, output);
  }
}

}  // namespace dsc
