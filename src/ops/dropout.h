// Dropout in a graph.
#pragma once

#include <functional>

#include "dscompress/graph.h"

namespace dsc {

bool is_dropout(const Node& node);
// Removes the dropouts for which `select` (empty: all) is true: evaluation has no use for them. returns: how many.
std::int64_t remove_dropout(Graph& graph, const std::function<bool(const Node&)>& select = {});

}  // namespace dsc
