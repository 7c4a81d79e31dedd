#include "checkpoint/gguf_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace dsc::checkpoint {
namespace {

using Row = std::pair<std::string_view, std::string_view>;

constexpr std::array<Row, 3> kOuterNames = {{{"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}}};
constexpr std::array<Row, 21> kLayerNames = {{{"input_layernorm", "attn_norm"},
                                              {"self_attn.q_proj", "attn_q"},
                                              {"self_attn.k_proj", "attn_k"},
                                              {"self_attn.v_proj", "attn_v"},
                                              {"self_attn.o_proj", "attn_output"},
                                              {"self_attn.q_norm", "attn_q_norm"},
                                              {"self_attn.k_norm", "attn_k_norm"},
                                              {"self_attn.q_a_proj", "attn_q_a"},
                                              {"self_attn.q_a_layernorm", "attn_q_a_norm"},
                                              {"self_attn.q_b_proj", "attn_q_b"},
                                              {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
                                              {"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
                                              {"self_attn.kv_b_proj", "attn_kv_b"},
                                              {"post_attention_layernorm", "ffn_norm"},
                                              {"mlp.gate_proj", "ffn_gate"},
                                              {"mlp.up_proj", "ffn_up"},
                                              {"mlp.down_proj", "ffn_down"},
                                              {"mlp.gate", "ffn_gate_inp"},
                                              {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
                                              {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
                                              {"mlp.shared_experts.down_proj", "ffn_down_shexp"}}};
constexpr std::array<Row, 3> kExpertNames = {{{"gate_proj", "ffn_gate_exps"}, {"up_proj", "ffn_up_exps"}, {"down_proj", "ffn_down_exps"}}};
constexpr std::string_view kLayers = "model.layers.", kExperts = "mlp.experts.", kRouterBias = "mlp.gate.e_score_correction_bias";

template <std::size_t N>
std::string_view find_row(const std::array<Row, N>& rows, std::string_view name) {
  const auto* row = std::find_if(rows.begin(), rows.end(), [&](const Row& entry) { return entry.first == name; });
  return row == rows.end() ? std::string_view() : row->second;
}

// The number that a text starts with, and what follows behind a dot.
std::optional<std::pair<std::int64_t, std::string_view>> split_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto used = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || used >= text.size() || text[used] != '.') return std::nullopt;
  return std::pair(number, text.substr(used + 1));
}

std::optional<std::pair<std::int64_t, std::string_view>> split_layer(std::string_view name) {
  return name.starts_with(kLayers) ? split_number(name.substr(kLayers.size())) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> layer_number(const std::string& name) {
  const auto layer = split_layer(name);
  return layer ? std::optional(layer->first) : std::nullopt;
}

GgufName gguf_name(const std::string& name) {
  const auto layer = split_layer(name);
  const std::string block = layer ? "blk." + std::to_string(layer->first) + "." : "";
  if (layer && layer->second == kRouterBias) return {block + "exp_probs_b.bias", {}};
  const auto dot = name.rfind('.');
  const std::string ending = dot == std::string::npos ? "" : name.substr(dot);
  if (ending != ".weight" && ending != ".bias") return {};
  if (!layer) {
    const auto outer = find_row(kOuterNames, std::string_view(name).substr(0, dot));
    return outer.empty() ? GgufName() : GgufName{std::string(outer) + ending, {}};
  }
  const auto part = layer->second.substr(0, layer->second.size() - ending.size());
  const auto expert = part.starts_with(kExperts) ? split_number(part.substr(kExperts.size())) : std::nullopt;
  const auto found = expert ? find_row(kExpertNames, expert->second) : find_row(kLayerNames, part);
  if (found.empty()) return {};
  return {block + std::string(found) + ending, expert ? std::optional(expert->first) : std::nullopt};
}

}  // namespace dsc::checkpoint
