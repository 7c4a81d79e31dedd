// `dscompress checkpoint` as a user runs it: exit statuses, kills, recipes.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "io/safetensors_header.h"
#include "support/program.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

// Two layers, a few megabytes in bf16.
void write_base(const std::string& folder, std::int64_t width) {
  fs::create_directories(folder);
  std::vector<StoredTensor> rows;
  std::string data;
  std::mt19937 generator(1);
  std::string block;
  for (int i = 0; i < 8192; ++i) {  // bf16 of either sign, magnitudes from 2^-8 to 2^-5
    block += static_cast<char>(generator());
    block += static_cast<char>((generator() % 2 ? 0x80 : 0) | 0x3B);
  }
  for (const std::string name : {"0.self_attn.q_proj", "0.mlp.up_proj", "1.self_attn.q_proj", "1.mlp.up_proj"}) {
    const auto size = static_cast<std::size_t>(width * width * 2), start = data.size();
    while (data.size() < start + size) data += block;
    data.resize(start + size);
    rows.push_back({"model.layers." + name + ".weight", "BF16", {width, width}, start, start + size});
  }
  spit(folder + "/model.safetensors", safetensors_header_text(rows, {}) + data);
  spit(folder + "/config.json", R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama"})");
}

std::string all_bytes(const std::string& folder) {
  std::string text;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  for (const auto& name : names) text += name + "\n" + slurp(folder + "/" + name);
  return text;
}

class CheckpointCommand : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return folder_.file(name); }
  ProgramResult run(const std::string& arguments) const { return run_program("-q checkpoint " + file("base") + " --threads 1 " + arguments); }

  TempFolder folder_;
};

TEST_F(CheckpointCommand, KilledAtAnyInstantItGoesOnWithTheSameBytes) {
  write_base(file("base"), 1024);
  const std::string options = "--set shard_size=1MB ";
  ASSERT_EQ(run(options + "-o " + file("whole")).status, 0);
  const auto expected = all_bytes(file("whole"));
  int kills = 0;
  for (int i = 1; i <= 6; ++i) {
    const auto out = file("out" + std::to_string(i));
    const auto killed = run_program("-q checkpoint " + file("base") + " --threads 1 " + options + "-o " + out, "timeout -s KILL " + std::to_string(0.03 * i * i));
    kills += killed.status == 0 ? 0 : 1;
    if (fs::exists(out)) {  // whole or not there at all: a kill may come between the last rename and the process's end
      EXPECT_EQ(all_bytes(out), expected);
      fs::remove_all(out);
    }
    const auto again = run(options + "-o " + out);
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(all_bytes(out), expected);
  }
  EXPECT_GT(kills, 0);
}

TEST_F(CheckpointCommand, SignalsEndItWith130AndTheCommandToGoOn) {
  write_base(file("base"), 1024);
  // Slow scales, and a signal as soon as the first shard is there.
  const auto script = file("interrupt.sh");
  spit(script, "#!/bin/bash\n" DSC_BINARY_DIR "/bin/dscompress -q checkpoint " + file("base") + " --threads 1 --set shard_size=1MB --set weights.scales=hqq -o " + file("out") +
                   " &\nwhile ! ls " + file("out.part") + "/model-*.safetensors >/dev/null 2>&1; do sleep 0.005; done\nkill -INT $!\nwait $!\n");
  const auto result = run_shell("bash " + script);
  if (result.status == 0) GTEST_SKIP() << "it was finished before the signal came";
  EXPECT_EQ(result.status, 130) << result.err;
  EXPECT_TRUE(contains(result.err, "dscompress resume " + file("out"))) << result.err;
  const auto resumed = run_program("-q resume " + file("out"));
  EXPECT_EQ(resumed.status, 0) << resumed.err;
  ASSERT_EQ(run("--set shard_size=1MB --set weights.scales=hqq -o " + file("whole")).status, 0);
  EXPECT_EQ(all_bytes(file("out")), all_bytes(file("whole")));
}

TEST_F(CheckpointCommand, ExitStatusesSayWhatKindOfProblemItIs) {
  write_base(file("base"), 192);
  const auto expect = [&](const std::string& arguments, int status, const std::string& text) {
    const auto result = run("-o " + file("out") + " " + arguments);
    EXPECT_EQ(result.status, status) << arguments << result.err;
    EXPECT_TRUE(contains(result.err, text)) << result.err;
    EXPECT_FALSE(fs::exists(file("out")) || fs::exists(file("out.part"))) << arguments;
  };
  expect("", 2, "groups of 128 do not divide the 192 columns");
  expect("--set weights.bits=12", 2, "bits");
  expect("--set weights.group_size=64 --set runtime=llama_cpp", 4, "GGUF");
  expect("--set weights.group_size=64 --set memory=1kB", 6, "on 1 threads, and memory is");
  fs::resize_file(file("base/model.safetensors"), 5000);
  expect("--set weights.group_size=64", 3, "offset");
  const auto missing = run_program("-q checkpoint " + file("nowhere") + " -o " + file("out"));
  EXPECT_EQ(missing.status, 3);
}

TEST_F(CheckpointCommand, AFullDiskLeavesNothingHalfWritten) {
  write_base(file("base"), 1024);
  // The limit on the size of a file stands for the disk.
  const auto result = run_shell("bash -c 'ulimit -f 200; trap \"\" XFSZ; exec " DSC_BINARY_DIR "/bin/dscompress -q checkpoint " + file("base") + " -o " + file("out") + "'");
  EXPECT_EQ(result.status, 6) << result.err;
  EXPECT_FALSE(fs::exists(file("out")));
}

TEST_F(CheckpointCommand, RecipesWithTheSectionAreForAllCommands) {
  write_base(file("base"), 128);
  spit(file("recipe.yaml"), "version: 1\ncheckpoint: {path: base, weights: {bits: 8}}\n");
  EXPECT_EQ(run_program("-q validate " + file("recipe.yaml")).status, 0);
  const auto plan = run_program("-q plan " + file("recipe.yaml") + " --json");
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_TRUE(contains(plan.out, "W8A16, groups of 128, search")) << plan.out;
  EXPECT_EQ(run_program("-q run " + file("recipe.yaml") + " -o " + file("a")).status, 0);
  const auto direct = run_program("checkpoint " + file("base") + " --set weights.bits=8 --verify -o " + file("b"));
  EXPECT_EQ(direct.status, 0) << direct.err;
  EXPECT_TRUE(contains(direct.out, "model.layers.1.mlp.up_proj")) << direct.out;
  EXPECT_EQ(all_bytes(file("a")), all_bytes(file("b")));
  const auto wrong = run_program("-q validate " + file("recipe.yaml") + " --set checkpoint.runtime=tgi");
  EXPECT_EQ(wrong.status, 2);
}

}  // namespace
}  // namespace dsc::test
