// torch.cond in a graph: one node with both branches as graph text, which no analysis looks into and no edit changes; passes that do
// inline the branches first (ir/inlined_branches.h).
//
//   %y: f32[4] = higher_order.cond(%positive, true_graph_0="graph { ... }", false_graph_0="graph { ... }", tensors[%x, %w])
//
// The operands are the branches' inputs, weights among them; the branches' outputs are the node's.
#pragma once

#include <vector>

#include "dscompress/graph.h"

namespace dsc {

bool is_control_flow(const Node& node);

// What is taken when the condition holds, then what is otherwise. Precondition: is_control_flow. errors: model_file, for text
// that is no graph; internal, for other arguments than above.
std::vector<Graph> read_branches(const Node& node);

}  // namespace dsc
