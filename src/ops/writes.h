// What running a graph changes besides making its outputs: inputs that it writes into, in place or by a mutation that the
// exporter declared.
#pragma once

#include <set>

#include "dscompress/graph.h"

namespace dsc {

// The values of all inputs that a run writes into: parameters, buffers and constants, and what the user gives. What only
// training moves, such as a batch norm's running statistics, is not among them.
std::set<const Value*> written_inputs(const Graph& graph);

// Those of them that are weights and that some output of the graph is computed from, so that the next run sees what this one
// left behind: a streaming cache, keys and values, positions. A counter that nothing reads is none.
std::set<const Value*> state_inputs(const Graph& graph);

}  // namespace dsc
