// Concatenations that stay in integers: what is concatenated shares one grid.
//
// A quantiser behind a concatenation makes everything before it floating point: the pieces, what they are split from, what is pooled or
// enlarged on the way. Moved up to where the pieces are made, on the grid of the whole, it changes no result of the concatenation, and engines
// run all of that in integers. Other users of the pieces take the same grid, which is wider than their own.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/quant_placement.h"

namespace dsc {

struct JoinedQuantizer {
  ActivationQuantizer quantizer;
  std::vector<std::size_t> ranges;  // of which quantisers of the placement its grid has to hold; it may be none of them itself
};

// One for each of the placement's quantisers that stays where it is, and those that take the places of the others.
std::vector<JoinedQuantizer> join_grids(const Graph& graph, const QuantPlacement& placement);

}  // namespace dsc
