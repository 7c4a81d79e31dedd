#include "checkpoint/roles.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace dsc::checkpoint {
namespace {

std::string_view last_part(std::string_view module) {
  const auto dot = module.rfind('.');
  return dot == std::string_view::npos ? module : module.substr(dot + 1);
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_number(std::string_view word) { return !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c); }); }

// Position behind ".experts" where a number follows; none elsewhere.
std::optional<std::size_t> end_of_experts(std::string_view module) {
  constexpr std::string_view kExperts = "experts.";
  for (auto at = module.find(kExperts); at != std::string_view::npos; at = module.find(kExperts, at + 1)) {
    const auto rest = module.substr(at + kExperts.size());
    const bool starts = at == 0 || module[at - 1] == '.';
    if (starts && is_number(rest.substr(0, rest.find('.')))) return at + kExperts.size() - 1;
  }
  return std::nullopt;
}

struct JoinedRow {
  std::string_view part, whole;
};
constexpr std::array<JoinedRow, 7> kJoined = {{{"q_proj", "qkv_proj"},
                                               {"k_proj", "qkv_proj"},
                                               {"v_proj", "qkv_proj"},
                                               {"gate_proj", "gate_up_proj"},
                                               {"up_proj", "gate_up_proj"},
                                               {"q_a_proj", "fused_qkv_a_proj"},
                                               {"kv_a_proj_with_mqa", "fused_qkv_a_proj"}}};

}  // namespace

Role role_of(std::string_view module) {
  static constexpr std::array<std::string_view, 9> kEmbeddings = {"embed_tokens", "wte", "wpe",          "word_embeddings", "embed_in",
                                                                  "tok_embeddings", "embeddings", "embed_positions", "position_embeddings"};
  static constexpr std::array<std::string_view, 4> kOutputs = {"lm_head", "embed_out", "output", "output_layer"};
  static constexpr std::array<std::string_view, 5> kRouters = {"gate", "router", "shared_expert_gate", "wg", "router_proj"};
  const auto last = last_part(module);
  if (is_one_of(last, kEmbeddings)) return Role::embedding;
  if (last == "lm_head" || last == "embed_out" || (is_one_of(last, kOutputs) && module.find("layer") == std::string_view::npos)) return Role::output;
  // DeepSeek's next-token predictors carry the model's head along as `shared_head.head`.
  if (module.ends_with("shared_head.head")) return Role::output;
  if (last == "eh_proj") return Role::joiner;
  if (is_one_of(last, kRouters)) return Role::router;
  return end_of_experts(module) ? Role::expert : Role::linear;
}

std::string_view reason_to_keep(Role role) {
  switch (role) {
    case Role::embedding:
      return "embedding";
    case Role::output:
      return "output layer";
    case Role::router:
      return "router";
    case Role::joiner:
      return "joins hidden state and embedding";
    default:
      return "";
  }
}

std::optional<std::string> experts_of(std::string_view module) {
  const auto end = end_of_experts(module);
  return end ? std::optional(std::string(module.substr(0, *end))) : std::nullopt;
}

std::optional<std::string> joined_as(std::string_view module) {
  const auto last = last_part(module);
  const auto* found = std::find_if(kJoined.begin(), kJoined.end(), [&](const JoinedRow& row) { return row.part == last; });
  if (found == kJoined.end()) return std::nullopt;
  return std::string(module.substr(0, module.size() - last.size())) + std::string(found->whole);
}

std::string pattern_of(std::string_view module) {
  std::string pattern;
  while (!module.empty()) {
    const auto part = module.substr(0, module.find('.'));
    if (!pattern.empty()) pattern += '.';
    pattern += is_number(part) ? std::string_view("#") : part;
    module.remove_prefix(std::min(module.size(), part.size() + 1));
  }
  return pattern;
}

}  // namespace dsc::checkpoint
