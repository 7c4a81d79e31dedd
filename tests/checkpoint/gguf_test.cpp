// GGUF files: blocks as the gguf package reads them (scripts/make_gguf_fixtures.py), names, row order, tokenizer.
#include "checkpoint/gguf.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/folder.h"
#include "checkpoint/gguf_names.h"

namespace dsc::checkpoint {
namespace {

using namespace test;

std::vector<float> floats_of(const Stored& tensor) {
  std::vector<float> values(tensor.bytes.size() / 4);
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// A reader of GGUF of its own: keys (numbers and texts; of arrays only lengths and first texts) and tensors with absolute places.
struct GgufFile {
  struct Entry {
    std::vector<std::uint64_t> shape;  // columns first
    std::uint32_t type = 0;
    std::uint64_t place = 0;
  };
  std::string bytes;
  std::map<std::string, std::string> keys;
  std::map<std::string, Entry> tensors;

  explicit GgufFile(const std::string& path) : bytes(slurp(path)) {
    EXPECT_EQ(bytes.substr(0, 4), "GGUF");
    at_ = 4;
    EXPECT_EQ(number<std::uint32_t>(), 3U);
    const auto tensor_count = number<std::uint64_t>(), key_count = number<std::uint64_t>();
    for (std::uint64_t i = 0; i < key_count; ++i) {
      const auto key = text();
      keys[key] = value(number<std::uint32_t>());
    }
    for (std::uint64_t i = 0; i < tensor_count; ++i) {
      Entry& entry = tensors[text()];
      entry.shape.resize(number<std::uint32_t>());
      for (auto& extent : entry.shape) extent = number<std::uint64_t>();
      entry.type = number<std::uint32_t>();
      entry.place = number<std::uint64_t>();
      EXPECT_EQ(entry.place % 32, 0U);
    }
    const auto start = (at_ + 31) / 32 * 32;
    for (auto& [name, entry] : tensors) entry.place += start;
  }

 private:
  template <class T>
  T number() {
    T value{};
    std::memcpy(&value, bytes.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string text() {
    const auto size = number<std::uint64_t>();
    at_ += size;
    return bytes.substr(at_ - size, size);
  }
  std::string value(std::uint32_t type) {
    if (type == 4) return std::to_string(number<std::uint32_t>());
    if (type == 5) return std::to_string(number<std::int32_t>());
    if (type == 6) return std::to_string(number<float>());
    if (type == 7) return std::to_string(number<std::uint8_t>());
    if (type == 8) return text();
    EXPECT_EQ(type, 9U);
    const auto element = number<std::uint32_t>();
    const auto count = number<std::uint64_t>();
    std::string all = std::to_string(count) + ":";
    for (std::uint64_t i = 0; i < count; ++i) all += " " + value(element);
    return all;
  }
  std::size_t at_ = 0;
};

constexpr const char* kConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 64,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 96, "max_position_embeddings": 128,
  "rms_norm_eps": 1e-5, "rope_theta": 5000.0, "vocab_size": 50, "bos_token_id": 1, "eos_token_id": [2, 3]})";
constexpr const char* kTokenizer = R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 4, "ab": 5}, "merges": ["a b", ["ab", "a"]]},
  "added_tokens": [{"id": 1, "content": "<s>", "special": true}, {"id": 6, "content": "<tool>", "special": false}],
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "use_regex": true}]}})";

class Gguf : public testing::Test {
 protected:
  void SetUp() override {
    write_llama(folder.file("base"));
    spit(folder.file("base/config.json"), kConfig);
    spit(folder.file("base/tokenizer.json"), kTokenizer);
  }
  Options options(std::int64_t bits, bool symmetric = true) const {
    auto made = options_for(folder.file("base"));
    made.weights.bits = bits;
    made.weights.symmetric = symmetric;
    made.format = Format::gguf;
    made.runtime = Runtime::llama_cpp;
    return made;
  }
  GgufFile convert_with(const Options& chosen) {
    errors = convert_to(chosen, folder.file("out"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.file("out")), {}), 1);
    return GgufFile(folder.file("out/model.gguf"));
  }
  TempFolder folder;
  std::vector<TensorError> errors;
};

TEST(GgmlBlocks, AreReadAsTheGgufPackageDoes) {
  const auto recorded = read_tensors(std::string(DSC_SOURCE_DIR) + "/tests/fixtures/checkpoint/gguf/blocks.st");
  for (const auto type : {GgmlType::q8_0, GgmlType::q4_0, GgmlType::q4_k}) {
    const std::string name(name_of(type));
    const auto& bytes = recorded.at(name + ".bytes").bytes;
    const auto expected = floats_of(recorded.at(name + ".values"));
    const std::int64_t columns = recorded.at(name + ".values").shape[1], row_bytes = ggml_row_bytes(type, columns);
    ASSERT_EQ(recorded.at(name + ".bytes").shape[1], row_bytes);
    std::vector<float> values(expected.size());
    for (std::int64_t row = 0; row < 2; ++row) {
      decode_ggml_row(type, reinterpret_cast<const std::uint8_t*>(bytes.data()) + row * row_bytes, columns, values.data() + row * columns);
    }
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], expected[i]) << name << " " << i;
  }
}

TEST_F(Gguf, HoldsLlamasTensorsUnderItsNames) {
  const auto file = convert_with(options(8));
  EXPECT_EQ(file.tensors.size(), llama_tensors().size());
  EXPECT_EQ(file.tensors.at("blk.1.ffn_up.weight").shape, (std::vector<std::uint64_t>{64, 96}));
  EXPECT_EQ(file.tensors.at("blk.1.ffn_up.weight").type, 8U);   // Q8_0
  EXPECT_EQ(file.tensors.at("token_embd.weight").type, 30U);    // BF16, as it was
  EXPECT_EQ(file.tensors.at("blk.0.attn_norm.weight").type, 0U);  // F32
  const auto source = llama_tensors();
  const auto& embedding = source.at("model.embed_tokens.weight").bytes;
  EXPECT_EQ(file.bytes.substr(file.tensors.at("token_embd.weight").place, embedding.size()), embedding);
}

TEST_F(Gguf, SaysWhatTheModelAndItsTokenizerAre) {
  const auto keys = convert_with(options(4)).keys;
  const std::map<std::string, std::string> expected = {
      {"general.architecture", "llama"}, {"general.file_type", "2"}, {"llama.block_count", "2"}, {"llama.attention.head_count", "4"},
      {"llama.attention.key_length", "16"}, {"llama.rope.freq_base", "5000.000000"}, {"tokenizer.ggml.model", "gpt2"}, {"tokenizer.ggml.pre", "smollm"},
      {"tokenizer.ggml.bos_token_id", "1"}, {"tokenizer.ggml.eos_token_id", "2"}, {"tokenizer.ggml.merges", "2: a b ab a"}};
  for (const auto& [key, value] : expected) EXPECT_EQ(keys.at(key), value) << key;
  EXPECT_TRUE(keys.at("tokenizer.ggml.tokens").starts_with("50: a <s> [PAD2] [PAD3] b ab <tool> [PAD7]")) << keys.at("tokenizer.ggml.tokens");
  EXPECT_TRUE(keys.at("tokenizer.ggml.token_type").starts_with("50: 1 3 5 5 1 1 4 5")) << keys.at("tokenizer.ggml.token_type");
}

// Of queries and keys llama.cpp turns neighbours, Transformers positions half a head apart.
TEST_F(Gguf, InterleavesRowsOfQueriesAndKeysInEachHead) {
  const auto file = convert_with(options(8));
  const auto source = numbers_of(llama_tensors().at("model.layers.0.self_attn.q_proj.weight"));
  const auto& entry = file.tensors.at("blk.0.attn_q.weight");
  std::vector<float> values(64);
  for (std::size_t row = 0; row < 64; ++row) {
    decode_ggml_row(GgmlType::q8_0, reinterpret_cast<const std::uint8_t*>(file.bytes.data()) + entry.place + row * 68, 64, values.data());
    const std::size_t head = row / 16, within = row % 16, from = head * 16 + within % 2 * 8 + within / 2;
    for (std::size_t i = 0; i < 64; ++i) ASSERT_NEAR(values[i], source[from * 64 + i], 0.004) << row << " " << i;
  }
}

TEST_F(Gguf, RoundsToTheErrorThatItsBitsAllow) {
  for (const auto& [bits, worst] : {std::pair{8, 0.01}, std::pair{4, 0.13}}) {
    std::filesystem::remove_all(folder.file("out"));
    convert_with(options(bits));
    ASSERT_EQ(errors.size(), 14U);
    for (const auto& error : errors) EXPECT_LT(error.relative, worst) << error.module;
  }
}

TEST_F(Gguf, SuperBlocksOfFourBitsAreNoWorseThanPlainOnes) {
  auto tensors = llama_tensors();
  for (auto& [name, tensor] : tensors) {
    if (name.find("down_proj") != std::string::npos) tensor = random_matrix(64, 512, 7);
  }
  write_tensors(folder.file("base/model.safetensors"), tensors);
  std::map<bool, double> squared;
  for (const bool symmetric : {true, false}) {
    std::filesystem::remove_all(folder.file("out"));
    auto chosen = options(4);
    chosen.layers = {{.select = "**.down_proj", .weights = {.symmetric = symmetric}, .activations = {}}};
    EXPECT_EQ(convert_with(chosen).tensors.at("blk.0.ffn_down.weight").type, symmetric ? 2U : 12U);
    for (const auto& error : errors) squared[symmetric] += error.module.ends_with("down_proj") ? error.squared : 0;
  }
  EXPECT_LT(squared[false], squared[true] * 1.02);
}

TEST_F(Gguf, RefusesWhatItCannotHold) {
  const auto refusal = [&](const Options& chosen) -> std::string { return error_of([&] { make_plan(chosen, 1); }).what(); };
  auto wide = options(4, false);
  EXPECT_TRUE(contains(refusal(wide), "no whole blocks of 256")) << refusal(wide);
  auto odd = options(3);
  EXPECT_TRUE(contains(refusal(odd), "GGUF has no blocks for W3A16")) << refusal(odd);
  auto groups = options(4);
  groups.weights.group_size = 64;
  EXPECT_TRUE(contains(refusal(groups), "group_size: 32")) << refusal(groups);
  auto reader = options(4);
  reader.runtime = Runtime::vllm;
  EXPECT_TRUE(contains(refusal(reader), "runtime: llama_cpp")) << refusal(reader);
  auto form = options_for(folder.file("base"));
  form.runtime = Runtime::llama_cpp;
  EXPECT_TRUE(contains(refusal(form), "format: gguf")) << refusal(form);
  std::filesystem::remove(folder.file("base/tokenizer.json"));
  EXPECT_TRUE(contains(refusal(options(4)), "tokenizer.json is missing")) << refusal(options(4));
  spit(folder.file("base/tokenizer.json"), R"({"model": {"type": "BPE", "vocab": {}, "merges": [], "byte_fallback": true}})");
  EXPECT_TRUE(contains(refusal(options(4)), "no byte-level BPE")) << refusal(options(4));
  spit(folder.file("base/config.json"), R"({"model_type": "gpt_neox"})");
  EXPECT_TRUE(contains(refusal(options(4)), "`gpt_neox`")) << refusal(options(4));
}

TEST(GgufNames, AreThoseOfTheGgufPackage) {
  const auto recorded = nlohmann::json::parse(slurp(std::string(DSC_SOURCE_DIR) + "/tests/fixtures/checkpoint/gguf/names.json"));
  for (const auto& [architecture, modules] : recorded.items()) {
    for (const auto& [module, expected] : modules.items()) {
      const auto of_experts = module.find("mlp.experts.");
      const auto numbered =
          of_experts == std::string::npos ? module : std::string(module).insert(of_experts + std::string("mlp.experts.").size(), "17.");
      const auto name = gguf_name(numbered + ".weight");
      EXPECT_EQ(name.name, expected.get<std::string>() + ".weight") << architecture;
      EXPECT_EQ(name.expert.has_value(), numbered != module) << module;
      EXPECT_EQ(name.expert.value_or(17), 17);
    }
  }
  EXPECT_EQ(gguf_name("model.layers.3.mlp.gate.e_score_correction_bias").name, "blk.3.exp_probs_b.bias");
  for (const char* other :
       {"model.layers.weight", "model.layers.3", "model.layers.3.mlp.experts.weight", "model.layers.3.mlp.experts.1.weight", "weight", ""})
    EXPECT_TRUE(gguf_name(other).empty()) << other;
}

// DeepSeek-V3 on a small scale: a dense layer, one of experts, and one that predicts a further token.
class GgufExperts : public testing::Test {
 protected:
  static constexpr std::int64_t kExperts = 12;  // the names of 10 and 11 sort before that of 2
  void SetUp() override {
    std::filesystem::create_directories(folder.file("base"));
    unsigned seed = 0;
    const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
      tensors[name + ".weight"] = random_matrix(rows, columns, seed++);
    };
    const auto add_vector = [&](const std::string& name, std::int64_t size, Element element) {
      tensors[name] = random_matrix(1, size, seed++, element);
      tensors[name].shape = {size};
    };
    const auto add_mlp = [&](const std::string& name, std::int64_t width) {
      add(name + "gate_proj", width, 64);
      add(name + "up_proj", width, 64);
      add(name + "down_proj", 64, width);
    };
    add("model.embed_tokens", 50, 64);
    add("lm_head", 50, 64);
    for (const std::string layer : {"model.layers.0.", "model.layers.1.", "model.layers.2."}) {
      add(layer + "self_attn.q_proj", 4 * 24, 64);
      add(layer + "self_attn.kv_a_proj_with_mqa", 32 + 8, 64);
      add(layer + "self_attn.kv_b_proj", 4 * (16 + 16), 32);
      add(layer + "self_attn.o_proj", 64, 64);
      add_vector(layer + "self_attn.kv_a_layernorm.weight", 32, Element::bf16);
      if (layer == "model.layers.0.") {
        add_mlp(layer + "mlp.", 96);
        continue;
      }
      for (std::int64_t expert = 0; expert < kExperts; ++expert) add_mlp(layer + "mlp.experts." + std::to_string(expert) + ".", 32);
      add_mlp(layer + "mlp.shared_experts.", 32);
      add(layer + "mlp.gate", kExperts, 64);
      add_vector(layer + "mlp.gate.e_score_correction_bias", kExperts, Element::f32);
    }
    add("model.layers.2.eh_proj", 64, 128);
    write();
  }
  void write() const {
    write_tensors(folder.file("base/model.safetensors"), tensors);
    spit(folder.file("base/config.json"), config.dump());
    spit(folder.file("base/tokenizer.json"), tokenizer.dump());
  }
  Options options() const {
    auto made = options_for(folder.file("base"));
    made.weights.bits = 8;
    made.format = Format::gguf;
    made.runtime = Runtime::llama_cpp;
    return made;
  }
  std::string refusal() const {
    write();
    return error_of([&] { make_plan(options(), 1); }).what();
  }
  TempFolder folder;
  StoredTensors tensors;
  nlohmann::json tokenizer = {{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", nlohmann::json::array()}}},
                              {"pre_tokenizer",
                               {{"type", "Sequence"},
                                {"pretokenizers",
                                 {{{"type", "Split"}, {"pattern", {{"Regex", R"(\p{N}{1,3})"}}}},
                                  {{"type", "Split"}, {"pattern", {{"Regex", "[一-龥぀-ゟ゠-ヿ]+"}}}},
                                  {{"type", "Split"},
                                   {"pattern",
                                    {{"Regex",
                                      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
                                      "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}}}},
                                  {{"type", "ByteLevel"}, {"use_regex", false}}}}}}};
  nlohmann::json config = {{"model_type", "deepseek_v3"},
                           {"torch_dtype", "bfloat16"},
                           {"hidden_size", 64},
                           {"num_hidden_layers", 2},
                           {"num_attention_heads", 4},
                           {"num_key_value_heads", 4},
                           {"intermediate_size", 96},
                           {"moe_intermediate_size", 32},
                           {"max_position_embeddings", 4096},
                           {"rms_norm_eps", 1e-6},
                           {"vocab_size", 50},
                           {"rope_theta", 10000.0},
                           {"q_lora_rank", nullptr},
                           {"kv_lora_rank", 32},
                           {"qk_nope_head_dim", 16},
                           {"qk_rope_head_dim", 8},
                           {"v_head_dim", 16},
                           {"n_routed_experts", kExperts},
                           {"n_shared_experts", 1},
                           {"num_experts_per_tok", 4},
                           {"first_k_dense_replace", 1},
                           {"n_group", 4},
                           {"topk_group", 2},
                           {"routed_scaling_factor", 2.5},
                           {"norm_topk_prob", true},
                           {"scoring_func", "sigmoid"},
                           {"rope_scaling",
                            {{"type", "yarn"},
                             {"factor", 40},
                             {"original_max_position_embeddings", 1024},
                             {"mscale", 1.0},
                             {"mscale_all_dim", 1.0},
                             {"beta_fast", 32},
                             {"beta_slow", 1}}}};
};

TEST_F(GgufExperts, LieInOneTensorInTheirOrder) {
  convert_to(options(), folder.file("out"));
  const GgufFile file(folder.file("out/model.gguf"));
  const auto& stack = file.tensors.at("blk.1.ffn_down_exps.weight");
  EXPECT_EQ(stack.shape, (std::vector<std::uint64_t>{32, 64, kExperts}));
  EXPECT_EQ(stack.type, 8U);
  std::vector<float> values(32);
  for (std::int64_t expert = 0; expert < kExperts; ++expert) {
    const auto source = numbers_of(tensors.at("model.layers.1.mlp.experts." + std::to_string(expert) + ".down_proj.weight"));
    for (std::int64_t row = 0; row < 64; ++row) {
      decode_ggml_row(GgmlType::q8_0, reinterpret_cast<const std::uint8_t*>(file.bytes.data()) + stack.place + (expert * 64 + row) * 34, 32,
                      values.data());
      for (std::size_t i = 0; i < 32; ++i)
        ASSERT_NEAR(values[i], source[static_cast<std::size_t>(row) * 32 + i], 0.004) << expert << " " << row << " " << i;
    }
  }
  EXPECT_EQ(file.tensors.at("blk.1.ffn_gate_inp.weight").type, 0U) << "routers in f32";
  EXPECT_EQ(file.tensors.at("blk.1.exp_probs_b.bias").type, 0U);
  EXPECT_EQ(file.tensors.at("blk.0.ffn_up.weight").shape, (std::vector<std::uint64_t>{64, 96}));
}

// Keys as llama.cpp's own converter gave them while keys and values came from one matrix, which its reader still takes.
TEST_F(GgufExperts, AreDescribed) {
  const auto plan = make_plan(options(), 1);
  EXPECT_EQ(plan.left_out, (std::vector<std::string>{"model.layers.2 (predicts further tokens, which llama.cpp does not)"}));
  convert(plan, {.out = folder.file("out"), .build = "test", .verify = true, .progress = {}});
  const GgufFile file(folder.file("out/model.gguf"));
  for (const auto& [name, unused] : file.tensors) EXPECT_FALSE(name.starts_with("blk.2.")) << name;
  const std::map<std::string, std::string> expected = {{"general.architecture", "deepseek2"},
                                                       {"tokenizer.ggml.pre", "deepseek-v3"},
                                                       {"deepseek2.block_count", "2"},
                                                       {"deepseek2.leading_dense_block_count", "1"},
                                                       {"deepseek2.attention.head_count_kv", "4"},
                                                       {"deepseek2.attention.key_length", "24"},
                                                       {"deepseek2.attention.value_length", "16"},
                                                       {"deepseek2.attention.kv_lora_rank", "32"},
                                                       {"deepseek2.rope.dimension_count", "8"},
                                                       {"deepseek2.expert_count", "12"},
                                                       {"deepseek2.expert_used_count", "4"},
                                                       {"deepseek2.expert_shared_count", "1"},
                                                       {"deepseek2.expert_feed_forward_length", "32"},
                                                       {"deepseek2.feed_forward_length", "96"},
                                                       {"deepseek2.expert_gating_func", "2"},
                                                       {"deepseek2.expert_weights_scale", "2.500000"},
                                                       {"deepseek2.expert_weights_norm", "1"},
                                                       {"deepseek2.expert_group_count", "4"},
                                                       {"deepseek2.expert_group_used_count", "2"},
                                                       {"deepseek2.rope.scaling.type", "yarn"},
                                                       {"deepseek2.rope.scaling.factor", "40.000000"},
                                                       {"deepseek2.rope.scaling.original_context_length", "1024"},
                                                       {"deepseek2.rope.scaling.yarn_log_multiplier", "0.100000"}};
  for (const auto& [key, value] : expected) EXPECT_EQ(file.keys.at(key), value) << key;
  EXPECT_FALSE(file.keys.contains("deepseek2.attention.q_lora_rank")) << "queries come from one matrix";
}

// Under either name for their number.
TEST_F(GgufExperts, OfQwenAreDescribed) {
  config = {{"model_type", "qwen3_moe"},       {"hidden_size", 64},    {"num_hidden_layers", 2},  {"num_attention_heads", 4},
            {"num_key_value_heads", 2},        {"head_dim", 16},       {"intermediate_size", 96}, {"moe_intermediate_size", 32},
            {"max_position_embeddings", 4096}, {"rms_norm_eps", 1e-6}, {"vocab_size", 50},        {"num_experts_per_tok", 4},
            {"norm_topk_prob", true}};
  std::erase_if(tensors, [](const auto& entry) {
    return contains(entry.first, "layers.2.") || contains(entry.first, "kv_") || contains(entry.first, "shared");
  });
  for (const char* key : {"num_experts", "num_local_experts"}) {
    auto named = config;
    named[key] = kExperts;
    std::swap(config, named);
    write();
    std::swap(config, named);
    std::filesystem::remove_all(folder.file("out"));
    convert_to(options(), folder.file("out"));
    const GgufFile file(folder.file("out/model.gguf"));
    EXPECT_EQ(file.keys.at("qwen3moe.expert_count"), "12") << key;
    EXPECT_EQ(file.keys.at("qwen3moe.expert_used_count"), "4");
    EXPECT_EQ(file.keys.at("qwen3moe.attention.key_length"), "16");
  }
  config["norm_topk_prob"] = false;
  config["num_experts"] = kExperts;
  EXPECT_TRUE(contains(refusal(), "`norm_topk_prob` is false"));
}

TEST_F(GgufExperts, AreRefusedWhereLlamaCppWouldComputeOtherwise) {
  const auto whole = config;
  const auto with = [&](const char* key, const nlohmann::json& value) {
    config = whole;
    config[key] = value;
    return refusal();
  };
  EXPECT_TRUE(contains(with("rope_interleave", false), "`rope_interleave` is false"));
  EXPECT_TRUE(contains(with("kv_lora_rank", nullptr), "config.json does not say `kv_lora_rank`"));
  config = whole;
  config["rope_scaling"]["mscale"] = 0.7;
  EXPECT_TRUE(contains(refusal(), "`mscale_all_dim`"));
  config = whole;
  config.update({{"model_type", "deepseek_v2"}, {"scoring_func", "softmax"}, {"topk_method", "group_limited_greedy"}});
  EXPECT_TRUE(contains(refusal(), "group_limited_greedy"));
  config = whole;
  auto left = tensors.extract("model.layers.1.mlp.experts.3.up_proj.weight");
  EXPECT_TRUE(contains(refusal(), "number 3 is missing: `blk.1.ffn_up_exps.weight`")) << refusal();
  tensors.insert(std::move(left));
  write();
  auto mixed = options();
  mixed.layers = {{.select = "**.experts.3.up_proj", .weights = {.bits = 4}, .activations = {}}};
  const auto error = error_of([&] { make_plan(mixed, 1); });
  EXPECT_TRUE(contains(error.what(), "have one type")) << error.what();
}

}  // namespace
}  // namespace dsc::checkpoint
