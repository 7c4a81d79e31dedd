// The layers of a network as distillation counts them: encoder layers, residual blocks, found from the graph.
#pragma once

#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

struct Block {
  std::string name;          // the module, or the node that ends it
  Value* input = nullptr;    // what its residual stream starts with; null: not known
  Value* output = nullptr;   // the residual stream after it: the hidden state
};

// In execution order. Blocks are the innermost repeated modules (their path ends in a number) that hold a residual join, an
// add of two branches of one tensor, and give one tensor to the rest. Graphs without such modules: one block for each
// self-attention, up to the last join before the next one (and the normalisation after it, where nothing else reads the
// join); or one for each join, where there is no attention.
std::vector<Block> find_blocks(const Graph& graph);

}  // namespace dsc
