// Products with random masks, as stochastic depth and decomposed dropout are written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

//   %m = aten.bernoulli(%e, p)    %s = aten.div(%m, p)    %y = aten.mul(%x, %s)          x, in evaluation
//
// in place or not, with or without the division. Masks with other users stay. returns: how many were removed.
std::int64_t remove_random_masks(Graph& graph);

// Names of the nodes whose results are random whatever their arguments say.
std::vector<std::string> random_nodes(const Graph& graph);

}  // namespace dsc
