// Operators of a graph that nothing here can run, and the way out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/graph.h"

namespace dsc {

// Makes operators of our own known to the dispatcher, where the target is one.
void register_own_operators(std::string_view target);
// What is to be said of one that the dispatcher does not know, and of the nodes that call it.
Problem unknown_operator(const std::string& target, const std::vector<const Node*>& nodes);
// One problem for each of them.
std::vector<Problem> find_unknown_operators(const Graph& graph);

}  // namespace dsc
