// What LibTorch's dispatcher knows about a node's operator.
#pragma once

#include <ATen/core/function_schema.h>

#include "dscompress/graph.h"

namespace dsc {

// Null: not an operator that is registered, as Python's built-ins.
const c10::FunctionSchema* find_schema(const Node& node);

}  // namespace dsc
