// torch.cond (ir/control_flow.h) without its walls: both branches' nodes lie in the graph and are computed, and aten.where chooses.
// Analyses and edits reach them so. Marks in the nodes' metadata, which files keep, say what belongs together.
#pragma once

#include "dscompress/model.h"

namespace dsc {

// One node of control flow, whose branches make tensors alone. returns: false where they do not; nothing is changed then.
// errors: as read_branches.
bool inline_branches(Graph& graph, Node* cond);

// All of them, those inside branches too. returns: whether there were any.
bool inline_all_branches(Graph& graph);

// A copy without control flow, which shares the tensors.
Model with_inlined_branches(const Model& model);

// The way back. What was inserted between a branch's nodes goes into that branch. Choices whose conditions differ now are left.
void outline_branches(Graph& graph);

}  // namespace dsc
