// Small tensors for one node's arguments, once for each way that the symbolic sizes may be.
#pragma once

#include <ATen/core/ivalue.h>

#include <map>
#include <string>
#include <vector>

#include "dscompress/graph.h"
#include "ir/dim_expression.h"

namespace dsc {

// The symbols of a graph with the values that they have in each lane: the example's first, then each symbol alone, changed
// twice, which tells straight lines from the rest.
struct Lanes {
  std::vector<SymbolValues> values;
  std::vector<std::string> changed;                              // the lane's symbol; empty for the first
  std::map<std::string, std::string, std::less<>> expressions;   // of each symbol alone
  std::size_t count() const { return values.size(); }
};

// `together`: symbols of equal value change together, for what the exporter left as two symbols though it must be one.
Lanes make_lanes(const Graph& graph, const Node& node, bool together);

// The value of a dimension in each lane. errors: unsupported, when its expression is not understood.
std::vector<std::int64_t> sizes_in(const Lanes& lanes, const Dim& dim);
// The dimension that has these sizes in the lanes.
Dim dim_of(const Lanes& lanes, const std::vector<std::int64_t>& sizes);

// A tensor, or a size, for the value in one lane: floats are between 0 and 1, which probabilities must be, integers zeros, which index anything. errors: unsupported.
c10::IValue example_of(const Lanes& lanes, std::size_t lane, const Value& value);

}  // namespace dsc
