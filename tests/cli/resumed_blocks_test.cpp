// Rounding that looks at samples, killed between two blocks of the network: resumed, it leaves the bytes of a run that nobody killed.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "deploy/language_models.h"
#include "io/safetensors.h"
#include "support/program.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

class ResumedBlocks : public testing::Test {
 protected:
  void SetUp() override {
    TensorFile file;
    const auto recorded = read_recorded("llama");
    for (const auto& name : recorded.model.weights.names()) file.tensors.emplace_back(name, recorded.model.weights.get(name));
    write_safetensors(folder_.file("weights.safetensors"), file);
    at::manual_seed(1);
    const at::Tensor ids = at::randint(3, 96, {2000, 48}, at::kLong);
    write_safetensors(folder_.file("texts.safetensors"), {.tensors = {{"input_ids", ids}, {"attention_mask", at::ones_like(ids)}}, .metadata = {}});
    spit(folder_.file("recipe.yaml"), R"(version: 1
model: {path: model.pt2}
data:
  calibration: {format: tensors, path: texts.safetensors, split: all, inputs: [input_ids, attention_mask], label: ""}
evaluate: {metrics: []}
passes:
  - quantize: {mode: weight_only, rounding: gptq, scaling: awq, weights: {bits: 4}, calibration: {samples: 2000, batch: 20}}
report: {formats: []}
)");
    const auto made = run_program("-q opt " DSC_SOURCE_DIR "/tests/fixtures/language_models/llama.txt --weights " +
                                  folder_.file("weights.safetensors") + " --pass 'fuse: {allow_empty: true}' --to " + folder_.file("model.pt2"));
    ASSERT_EQ(made.status, 0) << made.err;
  }

  // In the folder, where the program keeps what it has finished.
  ProgramResult here(const std::string& arguments) const { return run_program("--threads 1 -q " + arguments, "cd " + folder_.path() + " &&"); }

  bool has_finished(const std::string& block) const {
    if (!fs::exists(folder_.file("runs/cache"))) return false;
    for (const auto& entry : fs::directory_iterator(folder_.file("runs/cache"))) {
      if (fs::exists(entry.path() / (block + ".safetensors"))) return true;
    }
    return false;
  }

  // returns: whether the run was killed, after that block and before its end.
  bool kill_behind(const std::string& block, const std::string& out, const char* processes = "1") const {
    const auto child = ::fork();
    if (child == 0) {
      if (::chdir(folder_.path().c_str()) == 0) {
        ::execl(DSC_BINARY_DIR "/bin/dscompress", "dscompress", "--threads", "1", "-q", "run", "recipe.yaml", "--output-dir", out.c_str(), "--processes", processes, nullptr);
      }
      std::_Exit(127);
    }
    int status = 0;
    while (!has_finished(block)) {
      if (::waitpid(child, &status, WNOHANG) == child) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status);
  }
  TempFolder folder_;
};

TEST_F(ResumedBlocks, KilledBehindAnyOfThemGiveTheSameBytes) {
  const auto whole = here("run recipe.yaml --output-dir whole");
  ASSERT_EQ(whole.status, 0) << whole.err;
  for (const std::string block : {"scale-0", "round-0", "round-1"}) {
    ASSERT_TRUE(kill_behind(block, block)) << block;
    const auto resumed = here("resume " + block);
    ASSERT_EQ(resumed.status, 0) << block << resumed.err;
    for (const std::string name : {"/model.pt2", "/model.safetensors"})
      EXPECT_EQ(slurp(folder_.file(block + name)), slurp(folder_.file("whole" + name))) << block;
    EXPECT_TRUE(fs::is_empty(folder_.file("runs/cache"))) << block;
  }
}

// Each rank sees half of the samples; the moments are those of all.
TEST_F(ResumedBlocks, RanksThatAreKilledGoOnBehindThem) {
  ASSERT_EQ(here("run recipe.yaml --output-dir one").status, 0);
  const auto whole = here("run recipe.yaml --output-dir whole --processes 2");
  ASSERT_EQ(whole.status, 0) << whole.err;
  const auto one = read_safetensors(folder_.file("one/model.safetensors")), two = read_safetensors(folder_.file("whole/model.safetensors"));
  ASSERT_EQ(one.tensors.size(), two.tensors.size());
  for (std::size_t i = 0; i < one.tensors.size(); ++i) {
    const at::Tensor a = one.tensors[i].second.to(at::kFloat), b = two.tensors[i].second.to(at::kFloat);
    const double moved = (a - b).abs().gt(1e-3 * (a.abs().max() + 1e-9)).to(at::kFloat).mean().item<double>();
    EXPECT_LT(moved, 0.02) << one.tensors[i].first << ": a sum in another order moves few values to the other side";
  }
  ASSERT_TRUE(kill_behind("round-0", "killed", "2"));
  std::this_thread::sleep_for(std::chrono::seconds(2));  // its ranks end
  const auto resumed = here("resume killed");
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  for (const std::string name : {"/model.pt2", "/model.safetensors"})
    EXPECT_EQ(slurp(folder_.file("killed" + name)), slurp(folder_.file("whole" + name)));
  EXPECT_TRUE(fs::is_empty(folder_.file("runs/cache")));
}

}  // namespace
}  // namespace dsc::test
