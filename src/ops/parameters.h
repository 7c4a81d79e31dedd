// Parameters of a model: new ones, and those that one operator alone reads.
#pragma once

#include <string>

#include "dscompress/model.h"

namespace dsc {

// A new parameter with the dtype, device and gradient of `like`. The name is made unique.
Value* add_parameter(Model& model, std::string name, at::Tensor tensor, const Value* like);

// The name in Weights when the value is a parameter that this one use alone reads; empty otherwise.
std::string own_parameter(const Graph& graph, const Value* value);

}  // namespace dsc
