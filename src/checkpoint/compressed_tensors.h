// The compressed-tensors form (0.19, as llm-compressor writes it; read by Transformers and vLLM): what one rounded weight becomes, and
// the entry in config.json that says so.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// Tensors without places.
std::vector<Output> compressed_tensors_outputs(const Tensor& tensor, const Scheme& scheme, Element scale);

// `quantization_config`. The scheme of most weights targets "Linear", as vLLM expects it of experts; others name their modules, in
// patterns that match no module of another scheme.
nlohmann::ordered_json compressed_tensors_config(const Plan& plan);

}  // namespace dsc::checkpoint
