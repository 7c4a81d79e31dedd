// Residual blocks of a graph: stretches whose output can be replaced by their input.
#pragma once

#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

struct ResidualBlock {
  std::string name;      // the module, or the add's node name
  std::string input;     // value names: they outlive edits elsewhere
  std::string output;
};

// The operand of a residual add that the other one is a branch of; null: no residual add.
Value* find_shortcut(const Node& node);

// In execution order, blocks within blocks after those around them. A block is the innermost repeated module (its path ends
// in a number, such as layer1.1 or encoder.layer.3) that holds residual adds, reads one value of its output's type, and shows
// nothing but its output; a residual add outside such modules is a block of its own. A residual add sums a value and a
// branch computed from it.
std::vector<ResidualBlock> find_residual_blocks(const Graph& graph);

// Lets inputs take the places of outputs and removes what only the blocks needed; the order of the blocks does not matter.
// A block inside another goes with it.
void drop_blocks(Graph& graph, const std::vector<ResidualBlock>& blocks);

}  // namespace dsc
