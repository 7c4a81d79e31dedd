// Modules as stretches of a graph: which nodes are theirs, what goes in and what comes out.
#pragma once

#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// The innermost repeated module around a path, one that ends in a number: "encoder.layer.3" for
// "encoder.layer.3.attention.output"; empty: no component is a number.
std::string repeated_module(const std::string& path);
// That of a weight: "layer1.0.conv1" for "layer1.0.conv1.weight"; a weight of the root stands for itself.
std::string module_of(const std::string& weight);
// Whether both are tensors of one type and size.
bool same_type(const Value* a, const Value* b);
bool is_inside(const Node& node, const std::string& module);

// Tensors made outside the module (weights left out) that its nodes read, and tensors made inside that others read or that
// are the graph's outputs; both in execution order.
std::vector<Value*> values_taken(const Graph& graph, const std::string& module);
std::vector<Value*> values_shown(const Graph& graph, const std::string& module);

// The one floating-point tensor that the module gives to the rest of the network: where it shows several, the only one of
// the type of a tensor it takes. null: none, or it is not clear which.
Value* find_module_output(const Graph& graph, const std::string& module);

// Paths of all modules that have nodes, those around others included, in order of their first node.
std::vector<std::string> module_paths(const Graph& graph);

}  // namespace dsc
