// The tensors that a caller hands to a model.
#pragma once

#include <vector>

#include "dscompress/graph.h"

namespace dsc {

inline std::vector<const GraphInput*> model_inputs(const Graph& graph) {
  std::vector<const GraphInput*> inputs;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind == InputKind::user && input.value && input.value->is_tensor()) inputs.push_back(&input);
  }
  return inputs;
}

}  // namespace dsc
