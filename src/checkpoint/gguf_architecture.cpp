#include "checkpoint/gguf_architecture.h"

#include <map>
#include <nlohmann/json.hpp>

namespace dsc::checkpoint {
namespace {

using Tree = nlohmann::json;

constexpr const char* kOtherFormat = "format: compressed_tensors";

struct Number {
  const char *key, *gguf;
};
constexpr Number kSizes[] = {{"max_position_embeddings", ".context_length"}, {"hidden_size", ".embedding_length"},
                             {"num_hidden_layers", ".block_count"},          {"intermediate_size", ".feed_forward_length"},
                             {"num_attention_heads", ".attention.head_count"}, {"vocab_size", ".vocab_size"}};
constexpr Number kExpertSizes[] = {{"num_experts_per_tok", ".expert_used_count"}, {"moe_intermediate_size", ".expert_feed_forward_length"}};
constexpr Number kDeepSeekSizes[] = {{"n_routed_experts", ".expert_count"},
                                     {"n_shared_experts", ".expert_shared_count"},
                                     {"first_k_dense_replace", ".leading_dense_block_count"},
                                     {"kv_lora_rank", ".attention.kv_lora_rank"},
                                     {"qk_rope_head_dim", ".rope.dimension_count"}};
constexpr std::uint32_t kSoftmax = 1, kSigmoid = 2;  // .expert_gating_func

Tree config_of(const Source& source) { return Tree::parse(source.config, nullptr, false); }

// Where rotary embeddings are described: of their own since Transformers 5, among the other keys before.
Tree rope_of(const Tree& config) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (config.contains(key) && config[key].is_object()) return config[key];
  }
  return Tree::object();
}

std::string rope_type(const Tree& config) {
  const Tree rope = rope_of(config);
  return rope.value("rope_type", rope.value("type", std::string("default")));
}

bool is_number(const Tree& config, const char* key) { return config.contains(key) && config[key].is_number(); }

// config.json of DeepSeek-V3 as it was published says how experts are scored; as Transformers writes it, its type does.
bool scores_by_sigmoid(const Tree& config) {
  const bool is_v3 = config.value("model_type", std::string()) == "deepseek_v3";
  return config.value("scoring_func", std::string(is_v3 ? "sigmoid" : "softmax")) == "sigmoid";
}

// Transformers 5 writes another name than the models were published with.
const char* experts_key(const Tree& config) { return is_number(config, "num_local_experts") ? "num_local_experts" : "num_experts"; }

// --- what is written ---

template <std::size_t N>
void add_numbers(GgufHeader& header, const std::string& name, const Tree& config, const Number (&numbers)[N]) {
  for (const auto& number : numbers) header.add(name + number.gguf, config.at(number.key).template get<std::uint32_t>());
}

void add_heads(GgufHeader& header, const std::string& name, const Tree& config) {
  const auto heads = config.at("num_attention_heads").get<std::uint32_t>();
  const auto width = is_number(config, "head_dim") ? config["head_dim"].get<std::uint32_t>() : config.at("hidden_size").get<std::uint32_t>() / heads;
  header.add(name + ".attention.head_count_kv", config.value("num_key_value_heads", heads));
  header.add(name + ".attention.key_length", width);
  header.add(name + ".attention.value_length", width);
  header.add(name + ".rope.dimension_count", width);
}

void add_yarn(GgufHeader& header, const std::string& name, const Tree& rope) {
  header.add(name + ".rope.scaling.type", std::string_view("yarn"));
  header.add(name + ".rope.scaling.factor", rope.at("factor").get<float>());
  header.add(name + ".rope.scaling.original_context_length", rope.at("original_max_position_embeddings").get<std::uint32_t>());
  // A tenth, which llama.cpp takes back for this architecture.
  if (is_number(rope, "mscale_all_dim")) header.add(name + ".rope.scaling.yarn_log_multiplier", 0.1F * rope["mscale_all_dim"].get<float>());
  if (is_number(rope, "beta_fast")) header.add(name + ".rope.scaling.yarn_beta_fast", rope["beta_fast"].get<float>());
  if (is_number(rope, "beta_slow")) header.add(name + ".rope.scaling.yarn_beta_slow", rope["beta_slow"].get<float>());
}

// Keys and values of all heads come from one matrix, which llama.cpp also reads cut in two, with the first half transposed.
void add_deepseek(GgufHeader& header, const std::string& name, const Tree& config) {
  const auto heads = config.at("num_attention_heads").get<std::uint32_t>();
  add_numbers(header, name, config, kDeepSeekSizes);
  if (is_number(config, "q_lora_rank")) header.add(name + ".attention.q_lora_rank", config["q_lora_rank"].get<std::uint32_t>());
  header.add(name + ".attention.head_count_kv", config.value("num_key_value_heads", heads));
  header.add(name + ".attention.key_length", config.at("qk_nope_head_dim").get<std::uint32_t>() + config.at("qk_rope_head_dim").get<std::uint32_t>());
  header.add(name + ".attention.value_length", config.at("v_head_dim").get<std::uint32_t>());
  header.add(name + ".expert_gating_func", scores_by_sigmoid(config) ? kSigmoid : kSoftmax);
  header.add(name + ".expert_weights_scale", config.value("routed_scaling_factor", 1.0F));
  header.add(name + ".expert_weights_norm", config.value("norm_topk_prob", scores_by_sigmoid(config)));
  if (scores_by_sigmoid(config) && config.value("n_group", 1U) > 1) {
    header.add(name + ".expert_group_count", config["n_group"].get<std::uint32_t>());
    header.add(name + ".expert_group_used_count", config.at("topk_group").get<std::uint32_t>());
  }
  if (rope_type(config) == "yarn") add_yarn(header, name, rope_of(config));
}

// --- what is refused ---

class Problems {
 public:
  explicit Problems(const Source& source) : folder_(source.folder) {}
  void require(const Tree& config, const char* key) {
    if (is_number(config, key)) return;
    list_.push_back({ErrorCode::model_file, {"config.json does not say `" + std::string(key) + "`", {.file = folder_}, "take config.json from the model's source"}});
  }
  template <std::size_t N>
  void require(const Tree& config, const Number (&numbers)[N]) {
    for (const auto& number : numbers) require(config, number.key);
  }
  void refuse(std::string message) { list_.push_back({ErrorCode::unsupported, {std::move(message), {.file = folder_}, kOtherFormat}}); }
  std::vector<Finding> list() && { return std::move(list_); }

 private:
  std::string folder_;
  std::vector<Finding> list_;
};

void check_deepseek(const Tree& config, Problems& problems) {
  problems.require(config, kExpertSizes);
  problems.require(config, kDeepSeekSizes);
  for (const char* key : {"qk_nope_head_dim", "v_head_dim"}) problems.require(config, key);
  if (!config.value("rope_interleave", true)) problems.refuse("llama.cpp turns neighbours of DeepSeek's queries and keys, and `rope_interleave` is false");
  if (!scores_by_sigmoid(config) && config.value("topk_method", std::string()) == "group_limited_greedy" && config.value("n_group", 1) > 1)
    problems.refuse("experts that are chosen by the best one of each group (`topk_method: group_limited_greedy`) are not chosen so by llama.cpp");
  const Tree rope = rope_of(config);
  if (rope_type(config) != "yarn") return;
  for (const char* key : {"factor", "original_max_position_embeddings"}) problems.require(rope, key);
  if (rope.value("mscale", 0.0) != rope.value("mscale_all_dim", 0.0)) problems.refuse("llama.cpp has one scale where rotary embeddings have `mscale` and another `mscale_all_dim`");
}

void check_qwen_experts(const Tree& config, Problems& problems) {
  problems.require(config, kExpertSizes);
  problems.require(config, experts_key(config));
  if (!config.value("norm_topk_prob", false)) problems.refuse("llama.cpp brings the shares of Qwen3's experts to a sum of 1, and `norm_topk_prob` is false");
  if (config.value("decoder_sparse_step", 1) != 1 || !config.value("mlp_only_layers", Tree::array()).empty())
    problems.refuse("llama.cpp wants experts in every layer of Qwen3");
}

}  // namespace

std::string gguf_architecture(const Source& source) {
  static const std::map<std::string, std::string, std::less<>> names = {
      {"llama", "llama"}, {"mistral", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}, {"qwen3_moe", "qwen3moe"}, {"deepseek_v2", "deepseek2"}, {"deepseek_v3", "deepseek2"}};
  const auto found = names.find(source.model_type);
  return found == names.end() ? "" : found->second;
}

std::vector<Finding> check_gguf_architecture(const Source& source) {
  Problems problems(source);
  const auto name = gguf_architecture(source);
  if (name.empty()) {
    const auto type = source.model_type.empty() ? std::string("a model without config.json") : "`" + source.model_type + "`";
    problems.refuse("names of " + type + " in GGUF files are not known here; those of llama, mistral, qwen2, qwen3, qwen3_moe, deepseek_v2 and deepseek_v3 are");
    return std::move(problems).list();
  }
  const Tree config = config_of(source);
  problems.require(config, kSizes);
  problems.require(config, "rms_norm_eps");
  if (name == "deepseek2") check_deepseek(config, problems);
  if (name == "qwen3moe") check_qwen_experts(config, problems);
  const auto rope = rope_type(config);
  if (rope != "default" && !(rope == "yarn" && name == "deepseek2")) problems.refuse("rotary embeddings of kind `" + rope + "` are not converted");
  return std::move(problems).list();
}

void add_gguf_sizes(GgufHeader& header, const Source& source) {
  const auto name = gguf_architecture(source);
  const Tree config = config_of(source);
  add_numbers(header, name, config, kSizes);
  header.add(name + ".attention.layer_norm_rms_epsilon", config.at("rms_norm_eps").get<float>());
  header.add(name + ".rope.freq_base", config.value("rope_theta", rope_of(config).value("rope_theta", 10000.0F)));
  if (name == "deepseek2") add_deepseek(header, name, config);
  else add_heads(header, name, config);
  if (name == "qwen3moe") header.add(name + ".expert_count", config.at(experts_key(config)).get<std::uint32_t>());
  if (name == "qwen3moe" || name == "deepseek2") add_numbers(header, name, config, kExpertSizes);
}

std::optional<std::int64_t> gguf_layers(const Source& source) {
  const Tree config = config_of(source);
  if (gguf_architecture(source) != "deepseek2" || !is_number(config, "num_hidden_layers")) return std::nullopt;
  return config["num_hidden_layers"].get<std::int64_t>();
}

}  // namespace dsc::checkpoint
