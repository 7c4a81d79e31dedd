// Runs in several processes on one machine: results, kills, signals, mistakes.
#include <ATen/ATen.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "io/safetensors.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr double kSameNumbers = 1e-5;

nlohmann::json report_of(const std::string& folder) { return nlohmann::json::parse(slurp(folder + "/report.json")); }

double largest_difference(const std::string& a, const std::string& b) {
  const auto ours = read_safetensors(a), theirs = read_safetensors(b);
  EXPECT_EQ(ours.tensors.size(), theirs.tensors.size());
  double largest = 0;
  for (std::size_t i = 0; i < ours.tensors.size(); ++i) {
    EXPECT_EQ(ours.tensors[i].first, theirs.tensors[i].first);
    largest = std::max(largest, (ours.tensors[i].second.to(at::kDouble) - theirs.tensors[i].second.to(at::kDouble)).abs().max().item<double>());
  }
  return largest;
}

void expect_same_bytes(const std::string& a, const std::string& b) {
  for (const auto* name : {"/model.pt2", "/model.safetensors", "/predictions.safetensors"}) EXPECT_EQ(slurp(a + name), slurp(b + name)) << name;
}

std::string one_epoch() { return tiny_recipe_head() + "passes:\n  - finetune: {epochs: 1, batch: 33, optimizer: {sgd: {lr: 0.05}}, bf16: false}\n"; }
std::string many_epochs() { return tiny_recipe_head() + "passes:\n  - finetune: {epochs: 60, batch: 16, optimizer: {sgd: {lr: 0.01}}}\n"; }

TEST(Processes, TrainAsOneDoes) {
  const TinyRun run(one_epoch());
  ASSERT_EQ(run.run("one").status, 0);
  const auto two = run.run("two", "--processes 2");
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_EQ(two.err, "");
  EXPECT_LT(largest_difference(run.file("one/model.safetensors"), run.file("two/model.safetensors")), kSameNumbers);
  EXPECT_TRUE(contains(two.out, "2 processes trained together, each with 1 threads")) << two.out;
  EXPECT_EQ(two.out.find("report: "), two.out.rfind("report: ")) << "one of them speaks";
  EXPECT_TRUE(contains(slurp(run.file("two/recipe.resolved.yaml")), "processes: 2"));
  EXPECT_EQ(report_of(run.file("one")).at("steps")[1].at("metrics").at("top1"), report_of(run.file("two")).at("steps")[1].at("metrics").at("top1"));
}

// Training, cutting, training quantised, with a teacher; the ranges that observers found are those of whole batches.
TEST(Processes, RunEveryKindOfStep) {
  const TinyRun run(tiny_recipe_head() + R"(passes:
  - finetune: {epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.05}}, bf16: false}
  - prune: {importance: l1, reduce: {macs: 0.3}, finetune_each: {epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.02}}, bf16: false}}
  - distill: {epochs: 1, batch: 32, losses: [{kd: {}}, {labels: {}}], optimizer: {sgd: {lr: 0.01}}, bf16: false}
  - quantize: {mode: qat, epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.01}}, bf16: false}
)");
  ASSERT_EQ(run.run("one").status, 0);
  const auto two = run.run("two", "--processes 2");
  ASSERT_EQ(two.status, 0) << two.err;
  const auto one_steps = report_of(run.file("one")).at("steps"), two_steps = report_of(run.file("two")).at("steps");
  ASSERT_EQ(two_steps.size(), 5U);
  const auto loss_of = [](const nlohmann::json& step) {
    for (const auto& curve : step.at("curves")) {
      if (contains(curve.at("name"), "train_loss")) return curve.at("values").back().get<double>();
    }
    ADD_FAILURE() << "no loss";
    return 0.0;
  };
  for (const std::size_t step : {1, 2, 3, 4}) EXPECT_NEAR(loss_of(one_steps[step]), loss_of(two_steps[step]), 2e-4) << step;
  EXPECT_EQ(one_steps[2].at("macs"), two_steps[2].at("macs"));
  EXPECT_EQ(one_steps[4].at("tables")[0].at("rows").size(), two_steps[4].at("tables")[0].at("rows").size());
  ASSERT_EQ(run.run("again", "--processes 2").status, 0);
  expect_same_bytes(run.file("two"), run.file("again"));
}

// The program on its way, in the background.
class Background {
 public:
  explicit Background(std::vector<std::string> arguments, const std::string& err) {
    arguments.insert(arguments.begin(), DSC_BINARY_DIR "/bin/dscompress");
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ > 0) return;
    const int file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDERR_FILENO);
    ::dup2(file, STDOUT_FILENO);
    ::execv(argv[0], argv.data());
    std::_Exit(127);
  }
  pid_t pid() const { return pid_; }
  std::vector<pid_t> children() const {
    const auto name = std::to_string(pid_);
    std::istringstream text(slurp("/proc/" + name + "/task/" + name + "/children"));
    std::vector<pid_t> pids;
    for (pid_t pid = 0; text >> pid;) pids.push_back(pid);
    return pids;
  }
  // returns: its exit status, 128 + signal when it was killed, -1 when it still runs after the time.
  int wait(std::chrono::seconds time) const {
    for (const auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(10ms)) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    ::kill(pid_, SIGKILL);
    return -1;
  }

 private:
  pid_t pid_ = -1;
};

bool comes_true(const std::function<bool()>& condition, std::chrono::seconds time = 60s) {
  for (const auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(5ms)) {
    if (condition()) return true;
  }
  return condition();
}

bool is_there(pid_t pid) { return ::kill(pid, 0) == 0; }

// A run of many epochs in two processes, interrupted after its first epoch.
class InterruptedRun : public testing::Test {
 protected:
  const TinyRun run{many_epochs()};
  const std::string out = run.file("out"), err = run.file("err");

  Background start() const {
    Background program({"-q", "run", run.file("recipe.yaml"), "--output-dir", out, "--threads", "1", "--processes", "2"}, err);
    EXPECT_TRUE(comes_true([&] { return fs::exists(out + "/checkpoint.progress.safetensors"); })) << slurp(err);
    return program;
  }
  void expect_resumable() const {
    ASSERT_EQ(run.run("whole", "--processes 2").status, 0);
    const auto resumed = run_program("-q resume " + out);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    expect_same_bytes(run.file("whole"), out);
  }
};

TEST_F(InterruptedRun, AKilledProcessTakesTheOthersDownAndTheRunResumes) {
  const auto program = start();
  const auto children = program.children();
  ASSERT_EQ(children.size(), 2U);
  ::kill(children[1], SIGKILL);
  EXPECT_EQ(program.wait(10s), 3) << slurp(err);
  for (const auto child : children) EXPECT_FALSE(is_there(child));
  EXPECT_TRUE(contains(slurp(err), "was killed by signal 9")) << slurp(err);
  EXPECT_EQ(report_of(out).at("status"), "error");
  expect_resumable();
}

TEST_F(InterruptedRun, TheFirstProcessMayBeTheOneThatIsKilled) {
  const auto program = start();
  const auto children = program.children();
  ASSERT_EQ(children.size(), 2U);
  ::kill(children[0], SIGKILL);
  EXPECT_EQ(program.wait(10s), 3) << slurp(err);
  for (const auto child : children) EXPECT_FALSE(is_there(child));
  EXPECT_EQ(run_program("-q resume " + out).status, 0);
}

TEST_F(InterruptedRun, TermEndsAllAndTheRunResumes) {
  const auto program = start();
  const auto children = program.children();
  ::kill(program.pid(), SIGTERM);
  EXPECT_EQ(program.wait(10s), 130) << slurp(err);
  for (const auto child : children) EXPECT_FALSE(is_there(child));
  EXPECT_EQ(report_of(out).at("status"), "interrupted");
  expect_resumable();
}

TEST_F(InterruptedRun, NoProcessOutlivesItsParent) {
  const auto program = start();
  const auto children = program.children();
  ::kill(program.pid(), SIGKILL);
  EXPECT_EQ(program.wait(10s), 137);
  EXPECT_TRUE(comes_true([&] { return std::ranges::none_of(children, is_there); }, 10s));
}

TEST_F(InterruptedRun, ResumesWithAsManyProcessesAsItHad) {
  const auto program = start();
  ::kill(program.pid(), SIGTERM);
  ASSERT_EQ(program.wait(10s), 130);
  const auto result = run_program("-q resume " + out, "RANK=0 WORLD_SIZE=3 MASTER_ADDR=127.0.0.1 MASTER_PORT=1");
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "the run is one of 2 processes, and 3 were started")) << result.err;
  EXPECT_TRUE(fs::exists(out + "/checkpoint.safetensors"));
}

TEST(Processes, MistakesAreNamedBeforeAnythingRuns) {
  const TinyRun run(one_epoch());
  EXPECT_EQ(run.run("out", "--processes 0").status, 2);
  for (const std::string command : {"run", "validate"}) {
    const auto many = run_program("-q " + command + " " + run.file("recipe.yaml") + " --processes 40" + (command == "run" ? " --output-dir " + run.file("out") : ""));
    EXPECT_EQ(many.status, 2);
    EXPECT_TRUE(contains(many.err, "batches of 33 examples cannot be cut into parts for 40 processes")) << many.err;
    EXPECT_TRUE(contains(many.err, "recipe.yaml:8:")) << many.err;
  }
  const auto cached = run.run("out", "--processes 2 --cache " + run.file("cache"));
  EXPECT_EQ(cached.status, 2);
  EXPECT_TRUE(contains(cached.err, "a step cache serves one process")) << cached.err;
  EXPECT_FALSE(fs::exists(run.file("out")));
}

TEST(Processes, WhatNeedsWholeBatchesIsRefused) {
  const TinyRun run(tiny_recipe_head() + "  calibration: {format: tensors, path: valid.safetensors, split: all, inputs: [x]}\n"
                    "passes:\n  - quantize: {mode: qat, epochs: 1, batch: 32, learned_steps: true}\n");
  const auto result = run_program("-q validate " + run.file("recipe.yaml") + " --set processes=2");
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "learned from whole batches (learned_steps)")) << result.err;
}

TEST(Processes, AnErrorIsSaidOnceAndHasItsStatus) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 2, batch: 32, optimizer: {sgd: {lr: 1.0e+30}}}\n");
  const auto result = run.run("out", "--processes 2");
  EXPECT_EQ(result.status, 5);
  EXPECT_EQ(result.err.find("lower optimizer.lr"), result.err.rfind("lower optimizer.lr")) << result.err;
  EXPECT_NE(result.err.find("lower optimizer.lr"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace dsc::test
