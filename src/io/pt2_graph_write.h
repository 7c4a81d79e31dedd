// From a Graph to the JSON of an exported program.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc::pt2 {

struct WrittenGraph {
  std::string graph, signature;       // fields of the schema's GraphModule, as JSON text
  std::set<std::string> names;        // of all values of the outermost graph
  std::set<std::string> expressions;  // symbolic expressions in use
};
// errors: internal (an edit left something that no archive can say).
WrittenGraph write_graph(const Graph& graph);

// The graph's user inputs with their types as text; equal text means an unchanged calling convention.
std::string describe_user_inputs(const Graph& graph);
// Names (GraphInput::target) of user and literal inputs, in order.
std::vector<std::string> user_input_targets(const Graph& graph);

// `wish` as a Python identifier.
std::string identifier(const std::string& wish);

}  // namespace dsc::pt2
