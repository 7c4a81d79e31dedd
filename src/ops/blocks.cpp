#include "ops/blocks.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "ops/arguments.h"
#include "ops/attention_patterns.h"
#include "ops/modules.h"
#include "ops/residual.h"

namespace dsc {
namespace {

using NodeSet = std::unordered_set<const Node*>;

NodeSet ancestors_of(const Value* value) {
  NodeSet found;
  std::vector<const Node*> todo{value->producer()};
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    if (!node || !found.insert(node).second) continue;
    for (const NamedArgument& argument : node->arguments()) {
      for (const Value* read : values_of(argument.value)) todo.push_back(read->producer());
    }
  }
  return found;
}

bool makes_floats(const Node* node) {
  return std::ranges::any_of(node->outputs(), [](const Value* value) { return value->is_tensor() && is_floating(value->tensor().dtype); });
}

// An add of two branches of one tensor: identity shortcuts, and those that change the shape.
bool is_join(const Node& node) {
  if (find_shortcut(node)) return true;
  if (plain_op(node) != "aten.add" || node.outputs().size() != 1) return false;
  const Value *a = node.find_value("self"), *b = node.find_value("other");
  const auto fits = [&](const Value* value) { return value && value->is_tensor() && value->tensor().sizes == node.output()->tensor().sizes; };
  if (!fits(a) || !fits(b) || a == b || !is_floating(a->tensor().dtype)) return false;
  const NodeSet left = ancestors_of(a), right = ancestors_of(b);
  return std::ranges::any_of(left, [&](const Node* ancestor) { return right.contains(ancestor) && makes_floats(ancestor); });
}

// What the stream enters a module as: of the output's type, or else the first floating-point tensor.
Value* stream_into(const Graph& graph, const std::string& module, const Value* output) {
  auto taken = values_taken(graph, module);
  std::erase_if(taken, [](const Value* value) { return !is_floating(value->tensor().dtype); });
  for (Value* value : taken) {
    if (value->tensor().sizes == output->tensor().sizes) return value;
  }
  return taken.empty() ? nullptr : taken.front();
}

std::vector<Block> module_blocks(const Graph& graph, const std::vector<const Node*>& joins) {
  std::vector<Block> blocks;
  std::set<std::string> seen;
  for (const Node* join : joins) {
    const std::string module = repeated_module(join->module_path());
    if (module.empty() || !seen.insert(module).second) continue;
    if (Value* output = find_module_output(graph, module)) blocks.push_back({module, stream_into(graph, module, output), output});
  }
  return blocks;
}

// Past the normalisation, where it alone reads the sum: the stream of a network that normalises after its adds.
Value* past_norm(Value* sum) {
  if (sum->uses().size() != 1 || !sum->uses().front().node) return sum;
  const Node* reader = sum->uses().front().node;
  return plain_op(*reader) == "aten.layer_norm" ? reader->output() : sum;
}

// shortcuts: identity joins only, as rotations of queries and keys are sums of two branches as well.
std::vector<Block> attention_blocks(const Graph& graph, const std::vector<Attention>& attentions, const std::vector<const Node*>& shortcuts) {
  std::vector<Block> blocks;
  Value* stream = nullptr;
  for (std::size_t i = 0; i < attentions.size(); ++i) {
    std::vector<const Node*> joins;
    for (const Node* join : shortcuts) {
      const bool is_next = i + 1 < attentions.size() && graph.is_before(attentions[i + 1].node, join);
      if (graph.is_before(attentions[i].node, join) && !is_next) joins.push_back(join);
    }
    if (joins.empty()) continue;
    if (!stream) stream = find_shortcut(*joins.front());
    Value* output = past_norm(joins.back()->output());
    blocks.push_back({place_of(*joins.back()), stream, output});
    stream = output;
  }
  return blocks;
}

std::vector<Block> join_blocks(const std::vector<const Node*>& joins) {
  std::vector<Block> blocks;
  for (const Node* join : joins) {
    Value* input = blocks.empty() ? find_shortcut(*join) : blocks.back().output;
    blocks.push_back({place_of(*join), input, join->output()});
  }
  return blocks;
}

}  // namespace

std::vector<Block> find_blocks(const Graph& graph) {
  std::vector<const Node*> joins, shortcuts;
  for (const Node* node : graph.nodes()) {
    if (!is_join(*node)) continue;
    joins.push_back(node);
    if (find_shortcut(*node)) shortcuts.push_back(node);
  }
  if (auto blocks = module_blocks(graph, joins); !blocks.empty()) return blocks;
  if (const auto attentions = find_attention(graph); !attentions.empty()) return attention_blocks(graph, attentions, shortcuts);
  return join_blocks(joins);
}

}  // namespace dsc
