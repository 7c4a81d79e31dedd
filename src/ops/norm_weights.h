// The weights of batch norms, by name in Model::weights; each once, in alphabetical order.
#pragma once

#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// Running means and variances.
std::vector<std::string> norm_statistics(const Graph& graph);
// Scales and shifts.
std::vector<std::string> norm_parameters(const Graph& graph);

}  // namespace dsc
