// A copy of a part of a graph.
#pragma once

#include <functional>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// The inputs and nodes for which the functions say so, in their order and under their names, and these outputs, whose values
// are the original's. What a part's nodes and outputs use must be in the part, or in `taken`: values that become user inputs,
// behind the others.
Graph copy_part(const Graph& graph, const std::function<bool(const GraphInput&)>& has_input, const std::function<bool(const Node&)>& has_node,
                const std::vector<GraphOutput>& outputs, const std::vector<Value*>& taken = {});

// Inserts the nodes of `part` before `before`, under names that are free. Its inputs, in order, are `operands`.
// returns: its outputs.
std::vector<Argument> insert_part(Graph& graph, Node* before, const Graph& part, const std::vector<Value*>& operands);

// Drops the outputs for which `is_dropped` says so. Values and nodes are new ones under the old names.
void drop_outputs(Graph& graph, const std::function<bool(const GraphOutput&)>& is_dropped);

}  // namespace dsc
