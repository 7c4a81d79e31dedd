#include <filesystem>
#include <fstream>

#include "checkpoint/folder.h"
#include "checkpoint/journal.h"

namespace dsc::checkpoint {
namespace {

using namespace test;
namespace fs = std::filesystem;

// Name to content of all files below a folder.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = slurp(entry.path().string());
  }
  return files;
}

class Convert : public testing::Test {
 protected:
  void SetUp() override { write_llama(folder_.file("in")); }
  Options options() const { return options_for(folder_.file("in")); }
  std::string file(const std::string& name) const { return folder_.file(name); }

  TempFolder folder_;
};

TEST_F(Convert, EveryFormStandsForTheWeights) {
  struct Case {
    WeightOptions weights;
    std::int64_t activations;
    double bound;  // of the relative error
  };
  for (const auto& [weights, activations, bound] : {Case{{.bits = 4, .group_size = 32}, 16, 0.15}, Case{{.bits = 4, .group_size = 32, .symmetric = false}, 16, 0.13},
                                                    Case{{.bits = 8, .group_size = 32}, 16, 0.01}, Case{{.bits = 8, .group_size = 0}, 8, 0.015},
                                                    Case{{.bits = 3, .group_size = 0, .scales = Scales::hqq}, 16, 0.5}}) {
    auto given = options();
    given.weights = weights;
    given.activations.bits = activations;
    const auto out = file("out" + std::to_string(weights.bits) + std::to_string(weights.group_size) + std::to_string(weights.symmetric));
    const auto errors = convert_to(given, out);
    const auto before = llama_tensors(), after = read_folder(out);
    EXPECT_EQ(errors.size(), 14U);
    for (const auto& error : errors) {
      const auto was = numbers_of(before.at(error.module + ".weight")), is = dequantized(after, error.module, static_cast<int>(weights.bits));
      const auto squared = squared_distance(was, is);
      EXPECT_NEAR(error.squared, squared, 1e-6 * squared) << error.module;
      EXPECT_LT(error.relative, bound) << error.module;
    }
    EXPECT_EQ(after.at("lm_head.weight"), before.at("lm_head.weight"));
    EXPECT_EQ(after.at("model.embed_tokens.weight"), before.at("model.embed_tokens.weight"));
    EXPECT_EQ(slurp(out + "/tokenizer.json"), "{\"a\": 1}");
    EXPECT_FALSE(fs::exists(partial_folder(out)));
    EXPECT_FALSE(fs::exists(out + "/journal.json"));
  }
}

TEST_F(Convert, FloatingPointFormHoldsTheRoundedValues) {
  auto given = options();
  convert_to(given, file("packed"));
  given.format = Format::safetensors;
  convert_to(given, file("plain"));
  const auto packed = read_folder(file("packed")), plain = read_folder(file("plain"));
  const std::string module = "model.layers.1.mlp.down_proj";
  const auto values = dequantized(packed, module, 4), rounded = numbers_of(plain.at(module + ".weight"));
  ASSERT_EQ(values.size(), rounded.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(rounded[i], round_to(Element::bf16, static_cast<float>(values[i])));
  EXPECT_FALSE(contains(slurp(file("plain/config.json")), "quantization_config"));
}

TEST_F(Convert, TheBytesDoNotDependOnThreadsMemoryOrBlocks) {
  auto given = options();
  given.weights.symmetric = false;
  convert_to(given, file("one"));
  given.memory = {200, "kB"};
  convert_to(given, file("four"), 4);
  EXPECT_EQ(contents(file("one")), contents(file("four")));
}

TEST_F(Convert, ShardsKeepToTheirSizeAndTheIndexNamesThem) {
  auto given = options();
  given.shard_size = {12, "kB"};
  convert_to(given, file("out"));
  const auto index = read_safetensors_index(file("out/model.safetensors.index.json"));
  std::size_t shards = 0;
  for (const auto& entry : fs::directory_iterator(file("out"))) {
    if (entry.path().extension() != ".safetensors") continue;
    ++shards;
    const auto tensors = read_tensors(entry.path().string());
    for (const auto& [name, tensor] : tensors) EXPECT_EQ(index.at(name), entry.path().filename().string());
  }
  EXPECT_GT(shards, 3U);
  EXPECT_EQ(index.size(), read_folder(file("out")).size());
}

// Stops with `code` when so many bytes are done, as a signal or a full disk would.
void interrupt(const Options& options, const std::string& out, std::int64_t bytes, ErrorCode code) {
  const auto stop = [&](const char*, std::int64_t done, std::int64_t) {
    if (done >= bytes) throw Error(code, "stopped");
  };
  const auto error = error_of([&] { convert(make_plan(options, 2), {.out = out, .build = "test", .progress = stop}); });
  EXPECT_EQ(error.code(), code);
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(Convert, GoesOnAfterAnInterruptionWithTheSameBytes) {
  auto given = options();
  given.shard_size = {12, "kB"};
  convert_to(given, file("whole"));
  for (const std::int64_t bytes : {20'000, 60'000, 90'000}) {
    const auto out = file("out" + std::to_string(bytes));
    interrupt(given, out, bytes, ErrorCode::cancelled);
    ASSERT_TRUE(is_resumable(out));
    EXPECT_EQ(to_text(read_begun(out).weights.scales), "search");
    spit(partial_folder(out) + "/.model-00001-of-00009.safetensors.1.0.tmp", "left by a killed process");
    convert(make_plan(read_begun(out), 1), {.out = out, .build = "test", .progress = {}});
    EXPECT_EQ(contents(file("whole")), contents(out));
  }
}

TEST_F(Convert, RefusesToGoOnWithSomethingElse) {
  auto given = options();
  given.shard_size = {12, "kB"};
  interrupt(given, file("out"), 60'000, ErrorCode::resource);
  auto other = given;
  other.weights.bits = 8;
  EXPECT_TRUE(contains(error_of([&] { convert_to(other, file("out")); }).what(), "other options"));
  EXPECT_TRUE(contains(error_of([&] { convert(make_plan(given, 1), {.out = file("out"), .build = "newer", .progress = {}}); }).what(), "other program"));
  write_tensors(file("in/model.safetensors"), llama_tensors());  // the same bytes, written again
  EXPECT_TRUE(contains(error_of([&] { convert_to(given, file("out")); }).what(), "other checkpoint files"));
}

TEST_F(Convert, AnExistingFolderIsLeftAlone) {
  fs::create_directories(file("out"));
  spit(file("out/mine"), "1");
  const auto error = error_of([&] { convert_to(options(), file("out")); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_EQ(contents(file("out")).size(), 1U);
}

TEST_F(Convert, ValuesThatAreNotFiniteEndItAndLeaveNothing) {
  auto tensors = llama_tensors();
  auto& bytes = tensors.at("model.layers.1.mlp.up_proj.weight").bytes;
  const std::uint16_t nan = 0x7FC0;
  std::memcpy(bytes.data() + (5 * 64 + 3) * 2, &nan, 2);
  write_tensors(file("in/model.safetensors"), tensors);
  const auto error = error_of([&] { convert_to(options(), file("out")); });
  EXPECT_EQ(error.code(), ErrorCode::model_file);
  EXPECT_TRUE(contains(error.what(), "model.layers.1.mlp.up_proj.weight")) << error.what();
  EXPECT_TRUE(contains(error.what(), "row 5")) << error.what();
  EXPECT_FALSE(fs::exists(file("out")));
  EXPECT_FALSE(fs::exists(partial_folder(file("out"))));
}

TEST_F(Convert, VerifyFindsAChangedByte) {
  auto plan = make_plan(options(), 1);
  convert(plan, {.out = file("out"), .build = "test", .progress = {}});
  EXPECT_EQ(verify(plan, file("out"), {}).size(), 14U);
  std::fstream shard(file("out/model.safetensors"), std::ios::in | std::ios::out | std::ios::binary);
  const auto row = read_safetensors_header(file("out/model.safetensors"));
  for (const auto& tensor : row.tensors) {
    if (tensor.name != "model.embed_tokens.weight") continue;
    shard.seekp(static_cast<std::streamoff>(row.data_start + tensor.begin + 11));
    shard.put('\x55');
  }
  shard.close();
  EXPECT_TRUE(contains(error_of([&] { verify(plan, file("out"), {}); }).what(), "model.embed_tokens.weight"));
}

TEST_F(Convert, F32BecomesBf16WhereItIsNotRounded) {
  write_llama(file("wide"), Element::f32);
  auto given = options_for(file("wide"));
  given.precision = Precision::bf16;
  convert_to(given, file("out"));
  const auto made = read_folder(file("out"));
  EXPECT_EQ(made.at("lm_head.weight").dtype, "BF16");
  EXPECT_EQ(made.at("model.layers.0.input_layernorm.weight").dtype, "BF16");
  EXPECT_EQ(made.at("model.layers.0.mlp.up_proj.weight_scale").dtype, "BF16");
  EXPECT_EQ(made.at("lm_head.weight"), llama_tensors(Element::bf16).at("lm_head.weight"));
}

TEST_F(Convert, CalibrationWeighsTheErrors) {
  std::vector<float> moments(64, 1e-4F);
  std::fill_n(moments.begin(), 8, 100.0F);
  const std::string module = "model.layers.0.mlp.up_proj";
  write_tensors(file("moments.safetensors"), {{module, {"F32", {64}, test::bytes_of(moments)}}});
  auto given = options();
  given.weights.bits = 3;
  convert_to(given, file("plain"));
  given.calibration.path = file("moments.safetensors");
  convert_to(given, file("weighted"));
  const auto was = numbers_of(llama_tensors().at(module + ".weight"));
  const auto error = [&](const std::string& folder) {
    const auto is = dequantized(read_folder(file(folder)), module, 3);
    double sum = 0;
    for (std::size_t i = 0; i < was.size(); ++i) sum += moments[i % 64] * (was[i] - is[i]) * (was[i] - is[i]);
    return sum;
  };
  EXPECT_LT(error("weighted"), 0.9 * error("plain"));
  EXPECT_EQ(read_folder(file("plain")).at("model.layers.1.mlp.up_proj.weight_packed"), read_folder(file("weighted")).at("model.layers.1.mlp.up_proj.weight_packed"));
}

}  // namespace
}  // namespace dsc::checkpoint
