// What LibTorch's dispatcher knows about operators by their names in graphs, "aten.add.Tensor".
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/operator_name.h>

#include <string>

#include "dscompress/graph.h"

namespace dsc {

// "aten::add" and "Tensor"; of overload "default" none.
c10::OperatorName operator_name(const std::string& target);

// Null: not an operator that is registered, as Python's built-ins and those of libraries that are not loaded.
const c10::FunctionSchema* find_schema(const std::string& target);
inline const c10::FunctionSchema* find_schema(const Node& node) { return find_schema(node.target()); }

}  // namespace dsc
