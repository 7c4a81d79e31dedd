#include "checkpoint/gguf_metadata.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/file.h"

namespace dsc::checkpoint {
namespace {

namespace fs = std::filesystem;
using Tree = nlohmann::json;

enum TokenType : std::int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

Tree parse_leniently(const std::string& text) { return Tree::parse(text, nullptr, false); }

Tree read_beside(const Source& source, const char* name) {
  const auto path = fs::path(source.folder) / name;
  return fs::exists(path) ? parse_leniently(read_file(path.string())) : Tree();
}

// --- sizes ---

struct Number {
  const char *key, *gguf;
};
constexpr Number kSizes[] = {{"max_position_embeddings", ".context_length"}, {"hidden_size", ".embedding_length"},
                             {"num_hidden_layers", ".block_count"},          {"intermediate_size", ".feed_forward_length"},
                             {"num_attention_heads", ".attention.head_count"}};

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

void add_sizes(GgufHeader& header, const std::string& name, const Tree& config) {
  for (const auto& size : kSizes) header.add(name + size.gguf, config.at(size.key).get<std::uint32_t>());
  const auto heads = config.at("num_attention_heads").get<std::uint32_t>();
  const auto width = config.value("head_dim", Tree()).is_number() ? config["head_dim"].get<std::uint32_t>() : config.at("hidden_size").get<std::uint32_t>() / heads;
  header.add(name + ".attention.head_count_kv", config.value("num_key_value_heads", heads));
  header.add(name + ".attention.key_length", width);
  header.add(name + ".attention.value_length", width);
  header.add(name + ".attention.layer_norm_rms_epsilon", config.at("rms_norm_eps").get<float>());
  header.add(name + ".rope.dimension_count", width);
  header.add(name + ".rope.freq_base", config.value("rope_theta", rope_of(config).value("rope_theta", 10000.0F)));
  header.add(name + ".vocab_size", config.at("vocab_size").get<std::uint32_t>());
}

// --- tokenizer ---

// What cuts a text into words, as far as llama.cpp names it.
struct Cutting {
  std::vector<std::string> patterns;
  bool single_digits = false, byte_level = false, byte_level_pattern = false;
};

void read_cutting(const Tree& step, Cutting& cutting) {
  if (!step.is_object()) return;
  const auto type = step.value("type", std::string());
  for (const auto& inner : step.value("pretokenizers", Tree::array())) read_cutting(inner, cutting);
  if (type == "Split") cutting.patterns.push_back(step.value("pattern", Tree::object()).value("Regex", std::string()));
  if (type == "Digits") cutting.single_digits = step.value("individual_digits", false);
  if (type == "ByteLevel") {
    cutting.byte_level = true;
    cutting.byte_level_pattern = step.value("use_regex", true);
  }
}

constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// llama.cpp's name; empty: none is known.
std::string cutting_name(const Tree& tokenizer) {
  Cutting cutting;
  read_cutting(tokenizer.value("pre_tokenizer", Tree()), cutting);
  if (!cutting.byte_level) return "";
  if (cutting.patterns.empty() && cutting.byte_level_pattern) return cutting.single_digits ? "smollm" : "gpt-2";
  if (cutting.patterns == std::vector<std::string>{kLlama3Pattern}) return "llama-bpe";
  if (cutting.patterns == std::vector<std::string>{kQwen2Pattern}) return "qwen2";
  return "";
}

std::optional<std::uint32_t> token_id(const Tree& config, const char* key) {
  const Tree id = config.value(key, Tree());
  if (id.is_array() && !id.empty()) return id[0].get<std::uint32_t>();
  return id.is_number() ? std::optional(id.get<std::uint32_t>()) : std::nullopt;
}

void add_tokens(GgufHeader& header, const Tree& tokenizer, std::size_t count) {
  std::vector<std::string> tokens(count);
  std::vector<std::int32_t> types(count, kUnused);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = "[PAD" + std::to_string(i) + "]";  // rows of the embedding that no token has
  const auto put = [&](std::size_t id, const std::string& text, TokenType type) {
    if (id >= count) return;
    tokens[id] = text;
    types[id] = type;
  };
  for (const auto& [text, id] : tokenizer.at("model").at("vocab").items()) put(id.get<std::size_t>(), text, kNormal);
  for (const auto& token : tokenizer.value("added_tokens", Tree::array())) {
    put(token.at("id").get<std::size_t>(), token.at("content").get<std::string>(), token.value("special", false) ? kControl : kUserDefined);
  }
  std::vector<std::string> merges;
  for (const auto& merge : tokenizer.at("model").at("merges")) {
    merges.push_back(merge.is_array() ? merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>() : merge.get<std::string>());
  }
  header.add("tokenizer.ggml.tokens", tokens);
  header.add("tokenizer.ggml.token_type", types);
  header.add("tokenizer.ggml.merges", merges);
}

void add_tokenizer(GgufHeader& header, const Source& source, const Tree& config) {
  const Tree tokenizer = read_beside(source, "tokenizer.json"), settings = read_beside(source, "tokenizer_config.json");
  header.add("tokenizer.ggml.model", std::string_view("gpt2"));
  header.add("tokenizer.ggml.pre", cutting_name(tokenizer));
  add_tokens(header, tokenizer, config.at("vocab_size").get<std::size_t>());
  for (const auto& [key, gguf] : std::map<const char*, std::string>{
           {"bos_token_id", "tokenizer.ggml.bos_token_id"}, {"eos_token_id", "tokenizer.ggml.eos_token_id"}, {"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    if (const auto id = token_id(config, key)) header.add(gguf, *id);
  }
  if (!settings.is_object()) return;
  if (settings.contains("add_bos_token") && settings["add_bos_token"].is_boolean()) header.add("tokenizer.ggml.add_bos_token", settings["add_bos_token"].get<bool>());
  if (settings.contains("chat_template") && settings["chat_template"].is_string()) {
    header.add("tokenizer.chat_template", settings["chat_template"].get<std::string>());
  }
}

std::uint32_t file_type(GgmlType type) {  // llama.cpp's numbers: what most weights are
  static const std::map<GgmlType, std::uint32_t> types = {{GgmlType::f32, 0},  {GgmlType::f16, 1},  {GgmlType::q4_0, 2},
                                                          {GgmlType::q8_0, 7}, {GgmlType::q4_k, 14}, {GgmlType::bf16, 32}};
  return types.at(type);
}

Finding refusal(std::string message, std::string file, std::string hint) { return {ErrorCode::unsupported, {std::move(message), {.file = std::move(file)}, std::move(hint)}}; }

std::vector<Finding> check_tokenizer(const Source& source) {
  const auto path = (fs::path(source.folder) / "tokenizer.json").string();
  const char* hint = "format: compressed_tensors keeps the tokenizer's own files";
  if (!fs::exists(path)) return {refusal("GGUF files hold the tokenizer, and tokenizer.json is missing", source.folder, hint)};
  const Tree tokenizer = read_beside(source, "tokenizer.json");
  if (!tokenizer.is_object() || !tokenizer.contains("model")) return {{ErrorCode::model_file, {"this is no tokenizer", {.file = path}, hint}}};
  const Tree& model = tokenizer["model"];
  if (model.value("type", std::string()) != "BPE" || !model.contains("vocab") || !model.contains("merges") || model.value("byte_fallback", false)) {
    return {refusal("the tokenizer is no byte-level BPE (SentencePiece and Unigram are not converted)", path, hint)};
  }
  if (cutting_name(tokenizer).empty()) return {refusal("llama.cpp must be told how the tokenizer cuts text into words, and this way has no name here", path, hint)};
  return {};
}

}  // namespace

std::string gguf_architecture(const Source& source) {
  static const std::map<std::string, std::string, std::less<>> names = {{"llama", "llama"}, {"mistral", "llama"}, {"qwen2", "qwen2"}, {"qwen3", "qwen3"}};
  const auto found = names.find(source.model_type);
  return found == names.end() ? "" : found->second;
}

std::vector<Finding> check_gguf_metadata(const Source& source) {
  const char* hint = "format: compressed_tensors";
  if (gguf_architecture(source).empty()) {
    const auto type = source.model_type.empty() ? std::string("a model without config.json") : "`" + source.model_type + "`";
    return {refusal("names of " + type + " in GGUF files are not known here; those of llama, mistral, qwen2 and qwen3 are", source.folder, hint)};
  }
  std::vector<Finding> findings;
  const Tree config = parse_leniently(source.config);
  for (const char* key : {"max_position_embeddings", "hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads", "rms_norm_eps", "vocab_size"}) {
    if (config.contains(key) && config[key].is_number()) continue;
    findings.push_back({ErrorCode::model_file, {"config.json does not say `" + std::string(key) + "`", {.file = source.folder}, "take config.json from the model's source"}});
  }
  if (rope_type(config) != "default") {
    findings.push_back(refusal("rotary embeddings of kind `" + rope_type(config) + "` are not converted", source.folder, hint));
  }
  for (auto& finding : check_tokenizer(source)) findings.push_back(std::move(finding));
  return findings;
}

void add_gguf_metadata(GgufHeader& header, const Source& source, GgmlType main_type) {
  const Tree config = parse_leniently(source.config);
  const auto name = gguf_architecture(source);
  header.add("general.architecture", name);
  header.add("general.name", fs::path(source.folder).filename().string());
  header.add("general.alignment", static_cast<std::uint32_t>(kGgufAlignment));
  header.add("general.file_type", file_type(main_type));
  header.add("general.quantization_version", std::uint32_t{2});
  add_sizes(header, name, config);
  add_tokenizer(header, source, config);
}

}  // namespace dsc::checkpoint
