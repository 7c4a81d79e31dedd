#include "checkpoint/gguf_metadata.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "checkpoint/gguf_architecture.h"
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

// What cuts a text into words, as far as llama.cpp names it.
struct Cutting {
  std::vector<std::string> patterns;
  bool single_digits = false, byte_level = false, byte_level_pattern = false;
};

// Line ends as files of one kind write them, `\r`, and those of another, as themselves.
std::string with_escapes(const std::string& pattern) {
  std::string text;
  for (const char c : pattern) text += c == '\r' ? std::string("\\r") : c == '\n' ? std::string("\\n") : std::string(1, c);
  return text;
}

void read_cutting(const Tree& step, Cutting& cutting) {
  if (!step.is_object()) return;
  const auto type = step.value("type", std::string());
  for (const auto& inner : step.value("pretokenizers", Tree::array())) read_cutting(inner, cutting);
  if (type == "Split") cutting.patterns.push_back(with_escapes(step.value("pattern", Tree::object()).value("Regex", std::string())));
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

// DeepSeek-V3's three, one after another.
const std::vector<std::string>& deepseek3_patterns() {
  static const std::vector<std::string> patterns = {
      R"(\p{N}{1,3})", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
  return patterns;
}
// Of DeepSeek's models before the first, and how the second begins.
constexpr std::string_view kDeepSeekLines = R"([\r\n])", kDeepSeekLetters = "\\s?[A-Za-z\u00b5\u00c0-\u00d6";

bool are_of_deepseek_llm(const Cutting& cutting) {
  return cutting.patterns.size() > 2 && cutting.patterns[0] == kDeepSeekLines && cutting.patterns[1].starts_with(kDeepSeekLetters) &&
         !cutting.single_digits;
}

// llama.cpp's name; empty: none is known.
std::string cutting_name(const Tree& tokenizer) {
  Cutting cutting;
  read_cutting(tokenizer.value("pre_tokenizer", Tree()), cutting);
  if (!cutting.byte_level) return "";
  if (cutting.patterns.empty() && cutting.byte_level_pattern) return cutting.single_digits ? "smollm" : "gpt-2";
  if (cutting.patterns == std::vector<std::string>{kLlama3Pattern}) return "llama-bpe";
  if (cutting.patterns == std::vector<std::string>{kQwen2Pattern}) return "qwen2";
  if (cutting.patterns == deepseek3_patterns()) return "deepseek-v3";
  if (are_of_deepseek_llm(cutting)) return "deepseek-llm";
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

std::vector<Finding> check_gguf_metadata(const Source& source) {
  auto findings = check_gguf_architecture(source);
  if (gguf_architecture(source).empty()) return findings;
  for (auto& finding : check_tokenizer(source)) findings.push_back(std::move(finding));
  return findings;
}

void add_gguf_metadata(GgufHeader& header, const Source& source, GgmlType main_type) {
  const Tree config = parse_leniently(source.config);
  header.add("general.architecture", gguf_architecture(source));
  header.add("general.name", fs::path(source.folder).filename().string());
  header.add("general.alignment", static_cast<std::uint32_t>(kGgufAlignment));
  header.add("general.file_type", file_type(main_type));
  header.add("general.quantization_version", std::uint32_t{2});
  add_gguf_sizes(header, source);
  add_tokenizer(header, source, config);
}

}  // namespace dsc::checkpoint
