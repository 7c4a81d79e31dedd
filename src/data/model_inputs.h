// The tensors that a caller hands to a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

inline std::vector<std::string> names_of(const std::vector<const GraphInput*>& inputs) {
  std::vector<std::string> names;
  for (const GraphInput* input : inputs) names.push_back(input->target);
  return names;
}

// The number of examples that all inputs were exported for; 0: any number, or the inputs disagree.
inline std::int64_t fixed_batch_of(const std::vector<const GraphInput*>& inputs) {
  std::int64_t batch = 0;
  for (const GraphInput* input : inputs) {
    const auto& sizes = input->value->tensor().sizes;
    if (sizes.empty() || !sizes.front().is_fixed() || (batch > 0 && sizes.front().size != batch)) return 0;
    batch = sizes.front().size;
  }
  return batch;
}

// Rows of the table that an input of ids is looked up in; none where there is no such table.
inline std::optional<std::int64_t> embedding_rows(const Value& ids) {
  for (const Use& use : ids.uses()) {
    if (!use.node || use.node->op() != "aten.embedding" || use.node->find_value("indices") != &ids) continue;
    return use.node->find_value("weight")->tensor().sizes.front().size;
  }
  return std::nullopt;
}

}  // namespace dsc
