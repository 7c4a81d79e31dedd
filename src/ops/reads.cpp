#include "ops/reads.h"

#include <algorithm>

namespace dsc {

std::vector<Value*> values_read(const Node& node) {
  std::vector<Value*> values;
  for (const NamedArgument& argument : node.arguments()) {
    for (Value* value : values_of(argument.value)) values.push_back(value);
  }
  return values;
}

std::unordered_set<const Node*> readers_of(const Graph& graph, const Value* value) {
  std::unordered_set<const Node*> readers;
  for (const Node* node : graph.nodes()) {
    const auto read = values_read(*node);
    const bool reads = std::ranges::any_of(read, [&](const Value* v) { return v == value || (v->producer() && readers.contains(v->producer())); });
    if (reads) readers.insert(node);
  }
  return readers;
}

}  // namespace dsc
