// GGUF files: blocks as the gguf package reads them (scripts/make_gguf_fixtures.py), names, row order, tokenizer.
#include "checkpoint/gguf.h"

#include <algorithm>

#include "checkpoint/folder.h"

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
  spit(folder.file("base/config.json"), R"({"model_type": "deepseek_v3"})");
  EXPECT_TRUE(contains(refusal(options(4)), "`deepseek_v3`")) << refusal(options(4));
}

}  // namespace
}  // namespace dsc::checkpoint
