// What nodes read.
#pragma once

#include <unordered_set>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// All values among the arguments, sizes included, in order.
std::vector<Value*> values_read(const Node& node);

// Nodes that compute with the value, directly or not.
std::unordered_set<const Node*> readers_of(const Graph& graph, const Value* value);

}  // namespace dsc
