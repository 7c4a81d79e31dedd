// What a tensor is for, from its name alone: no architecture is known. What is not recognised is a linear layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsc::checkpoint {

enum class Role : std::uint8_t {
  linear,
  expert,       // a linear layer below `experts.N`
  embedding,    // rows that are looked up
  output,       // lm_head
  router,       // chooses experts
  joiner        // eh_proj of next-token predictors: joins a hidden state and an embedding
};

Role role_of(std::string_view module);
// Why a module of this role stays as it is unless a rule selects it; empty: it does not.
std::string_view reason_to_keep(Role role);

// "model.layers.3.mlp.experts" of "model.layers.3.mlp.experts.17.up_proj"; none for others.
std::optional<std::string> experts_of(std::string_view module);
// Modules that vLLM joins to one matrix, such as q, k and v, by the name of the whole: "model.layers.3.self_attn.qkv_proj"; none for others.
std::optional<std::string> joined_as(std::string_view module);
// The name with all numbers replaced: "model.layers.#.self_attn.q_proj".
std::string pattern_of(std::string_view module);

}  // namespace dsc::checkpoint
