// Makes a model that shows a failure small: delta debugging over its nodes.
//
// source: Zeller and Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), with chunks of halving
// size instead of complements.
#pragma once

#include <cstdint>
#include <functional>

#include "dscompress/model.h"

namespace dsc {

struct Reduction {
  std::int64_t nodes_before = 0, nodes_after = 0, trials = 0;
};

// Removes nodes as long as `still_fails` says so; what they made becomes an input of the graph. Any one node of the result is
// needed. `still_fails` must not throw.
// cost: trials in the order of the nodes that stay times the logarithm of all.
Reduction reduce_model(Model& model, const std::function<bool(const Model&)>& still_fails);

}  // namespace dsc
