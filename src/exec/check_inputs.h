// Tensors given for a run against what the graph expects.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// errors: data, naming the input: number of inputs, element type, rank, fixed sizes, sizes that must agree.
void check_inputs(const Graph& graph, const std::vector<at::Tensor>& inputs);

}  // namespace dsc
