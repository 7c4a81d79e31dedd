// What llama.cpp calls a model's tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dsc::checkpoint {

struct GgufName {
  std::string name;                    // empty: none is known
  std::optional<std::int64_t> expert;  // of a matrix that lies with those of the other experts in one tensor: its number

  bool empty() const { return name.empty(); }
};

// Of "model.layers.3.mlp.experts.17.up_proj.weight": {"blk.3.ffn_up_exps.weight", 17}.
GgufName gguf_name(const std::string& name);
// 3 of "model.layers.3.mlp.up_proj.weight"; none of what stands in no layer.
std::optional<std::int64_t> layer_number(const std::string& name);

}  // namespace dsc::checkpoint
