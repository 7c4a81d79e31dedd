// The nightly loop: a new checkpoint is compressed, tried against the last good version, and promoted or kept out.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/random.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// A registry of the tiny network's versions, and checkpoints to be tried: `good`, trained well, and `bad`, trained little.
class Nightly : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    trained_ = new TinyRun(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 12, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n");
    for (const auto& [name, epochs] : {std::pair{"good", "12"}, {"bad", "1"}}) {
      ASSERT_EQ(trained_->run(name, std::string("--set passes.0.finetune.epochs=") + epochs).status, 0);
      ASSERT_EQ(run_program("-q export " + trained_->file(name) + "/model.pt2 --to " + trained_->file(name) + ".safetensors").status, 0);
    }
  }
  static void TearDownTestSuite() {
    delete trained_;
    trained_ = nullptr;
  }

  Nightly() : loop_(tiny_recipe_head() + "evaluate: {metrics: [top1, loss]}\npasses:\n  - finetune: {epochs: 1, batch: 64, optimizer: {sgd: {lr: 0.0001}}}\n  - quantize: {mode: ptq}\n") {
    fs::create_directory(loop_.file("nightly"));
    write_loop("5pp");
  }

  void write_loop(const std::string& margin, const std::string& more = {}) {
    spit(loop_.file("loop.yaml"), "version: 1\nmodel: {registry: models/tiny}\ncheckpoint: {weights: \"nightly/*.safetensors\", graph: model.pt2}\n"
                                  "when: {checkpoint: recipe.yaml}\ntrial: {metric: top1, margin: " + margin + "}\n" + more);
  }
  // As the training of night `hour` leaves it.
  void checkpoint(const std::string& kind, int hour) {
    const auto file = loop_.file("nightly/" + std::to_string(hour) + ".safetensors");
    fs::copy_file(trained_->file(kind + ".safetensors"), file);
    fs::last_write_time(file, fs::file_time_type::clock::now() + std::chrono::hours(hour));
  }
  ProgramResult night(const std::string& more = {}) const { return run_program("-q nightly " + loop_.file("loop.yaml") + " --threads 1 " + more); }
  std::string registry(const std::string& name) const { return loop_.file("models/tiny/" + name); }
  Json decided(const std::string& more = {}, int status = 0) const {
    const auto result = night("--json " + more);
    EXPECT_EQ(result.status, status) << result.out << result.err;
    const auto decisions = Json::parse(result.out).at("decisions");
    EXPECT_LE(decisions.size(), 1U) << result.out;
    return decisions.empty() ? Json() : decisions.front();
  }
  std::string last_good() const { return fs::read_symlink(registry("last-good")).string(); }
  Json status() const { return Json::parse(run_program("-q nightly status " + loop_.file("loop.yaml") + " --json").out); }
  // Versions that the history says were decided on.
  std::vector<int> decided_versions() const {
    std::vector<int> versions;
    const auto state = status();
    for (const auto& night : state.at("nights")) {
      const auto verdict = night.at("verdict").get<std::string>();
      if (verdict != "healthy" && verdict != "violated" && verdict != "rollback") versions.push_back(night.at("number"));
    }
    return versions;
  }
  const TinyRun& loop() const { return loop_; }
  static const TinyRun& trained() { return *trained_; }

 private:
  static inline TinyRun* trained_ = nullptr;
  TinyRun loop_;
};

TEST_F(Nightly, PromotesTheFirstKeepsAWorseOneOutAndSaysWhy) {
  EXPECT_EQ(night().status, 1) << "there is no version at all";
  checkpoint("good", 1);
  EXPECT_EQ(decided().at("verdict"), "promoted");
  EXPECT_EQ(last_good(), "1");
  EXPECT_TRUE(fs::exists(registry("1/model.pt2")));
  EXPECT_TRUE(decided().is_null()) << "there is nothing new";

  checkpoint("bad", 2);
  const auto worse = decided();  // the deployed version is as healthy as before
  EXPECT_EQ(worse.at("verdict"), "kept");
  EXPECT_TRUE(contains(worse.at("reason"), "worse than the last good version")) << worse;
  EXPECT_LT(worse.at("figures").at("top1"), worse.at("deployed").at("top1"));
  EXPECT_EQ(last_good(), "1");
  EXPECT_TRUE(fs::exists(registry("rejected/2/report.json")));

  spit(loop().file("nightly/3.safetensors"), slurp(trained().file("good.safetensors")).substr(0, 3000));
  fs::last_write_time(loop().file("nightly/3.safetensors"), fs::file_time_type::clock::now() + std::chrono::hours(3));
  const auto truncated = decided();
  EXPECT_EQ(truncated.at("verdict"), "failed");
  EXPECT_TRUE(contains(truncated.at("reason"), "3.safetensors")) << truncated;
  EXPECT_EQ(last_good(), "1");

  EXPECT_EQ(decided_versions(), (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(contains(slurp(registry("metrics.prom")), "dscompress_nightly_version{model=\"tiny\"} 1\n"));
  EXPECT_TRUE(contains(slurp(registry("report.html")), "worse than the last good version"));
}

// The same candidate, compressed by a run that asks for two processes.
TEST_F(Nightly, ACandidateMayAskForSeveralProcesses) {
  spit(loop().file("recipe.yaml"), slurp(loop().file("recipe.yaml")) + "processes: 2\n");
  checkpoint("good", 1);
  EXPECT_EQ(decided().at("verdict"), "promoted");
  const auto report = Json::parse(slurp(registry("1/report.json")));
  EXPECT_TRUE(contains(report.at("notes").dump(), "2 processes trained together")) << report.at("notes");
  ASSERT_EQ(run_program("-q --threads 1 run " + loop().file("recipe.yaml") + " -o " + loop().file("direct") +
                        " --processes 2 --set model.weights=" + trained().file("good.safetensors"))
                .status,
            0);
  EXPECT_EQ(slurp(loop().file("direct/model.pt2")), slurp(registry("1/model.pt2")));
}

TEST_F(Nightly, FewExamplesAreAVerdictOfTheirOwn) {
  write_loop("0.5pp");
  checkpoint("good", 1);
  ASSERT_EQ(night().status, 0);
  const auto decision = decided("--force");  // the very same model
  EXPECT_EQ(decision.at("verdict"), "not_enough_data");
  EXPECT_GT(decision.at("more").get<int>(), 100);
  EXPECT_EQ(last_good(), "1");
}

TEST_F(Nightly, RollsBackAndForcesAndKeepsSoManyVersions) {
  write_loop("5pp", "keep: {versions: 2}\n");
  checkpoint("good", 1);
  ASSERT_EQ(night().status, 0);
  EXPECT_TRUE(contains(run_program("-q nightly " + loop().file("loop.yaml") + " --dry-run").out, "nothing to try"));
  for (int i = 0; i < 2; ++i) ASSERT_EQ(night("--force").status, 0);
  EXPECT_EQ(last_good(), "3");
  EXPECT_FALSE(fs::exists(registry("1"))) << "two versions are kept";
  ASSERT_EQ(run_program("-q nightly rollback " + loop().file("loop.yaml")).status, 0);
  EXPECT_EQ(last_good(), "2");
  EXPECT_FALSE(fs::exists(registry("3"))) << "a server that takes the highest version serves the last good one";
  EXPECT_EQ(run_program("-q nightly rollback " + loop().file("loop.yaml") + " 7").status, 2);
  EXPECT_EQ(status().at("nights").back().at("verdict"), "rollback");
  ASSERT_EQ(night().status, 0);
  EXPECT_EQ(last_good(), "2") << "a rollback stays";
}

TEST_F(Nightly, ViolatedBudgetOfTheDeployedVersionExitsWithOne) {
  write_loop("5pp", "budgets: {top1: {min: 101%}, size: {max: 10MB}}\n");
  checkpoint("good", 1);
  const auto result = night("--summary " + loop().file("summary.md"));
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_TRUE(contains(slurp(loop().file("summary.md")), "budget **violated**: top1"));
  EXPECT_TRUE(contains(result.out, "budget VIOLATED: top1")) << result.out;
  EXPECT_TRUE(contains(result.out, "budget kept: size")) << result.out;
}

TEST_F(Nightly, ACandidateThatBreaksABudgetIsKeptOut) {
  write_loop("5pp", "budgets: {size: {max: 10MB}}\n");
  checkpoint("good", 1);
  ASSERT_EQ(night().status, 0);
  const auto deployed = status().at("nights").front().at("figures").at("size").get<double>();
  spit(loop().file("recipe.yaml"), slurp(loop().file("recipe.yaml")).substr(0, slurp(loop().file("recipe.yaml")).find("  - quantize")));  // four times as large
  write_loop("5pp", "budgets: {size: {max: " + std::to_string(deployed / 1000 + 1) + "kB}}\n");
  const auto larger = decided();
  EXPECT_EQ(larger.at("verdict"), "kept");
  EXPECT_TRUE(contains(larger.at("reason"), "budget violated: size")) << larger;
}

// A loop that learns from traffic while top-1 is below a bound.
class LearningNightly : public Nightly {
 protected:
  void write_learning_loop(const std::string& least_top1) const {
    fs::create_directory(loop().file("traffic"));
    spit(loop().file("incremental.yaml"), R"(version: 1
vars: {deployed: none, traffic: none}
model: {path: "${deployed}/baseline.pt2"}
data:
  train: {format: tensors, path: "${traffic}", split: train, inputs: [x]}
  eval: {format: tensors, path: eval.safetensors, split: all, inputs: [x]}
evaluate: {metrics: [top1], baseline: learn}
passes:
  - finetune: {name: learn, epochs: 12, batch: 32, optimizer: {sgd: {lr: 0.05}}}
)");
    spit(loop().file("loop.yaml"), R"(version: 1
model: {registry: models/tiny}
checkpoint: {weights: "nightly/*.safetensors", graph: model.pt2}
traffic: {format: tensors, path: "traffic/*.safetensors", window: 2d, labels: late, replay: {path: train.safetensors, share: 0.5}}
when: {checkpoint: recipe.yaml, accuracy: incremental.yaml}
trial: {split: "traffic[-200:]", margin: 5pp}
budgets: {drift: {max: 1}, top1: {min: )" + least_top1 + "}}\n");
  }
  void inputs_move_away() const {
    const auto data = synthetic_images(400, 7);
    write_safetensors(loop().file("traffic/1.safetensors"), {.tensors = {{"x", -data.inputs()}, {"label", data.target()}}, .metadata = {}});
  }
};

TEST_F(LearningNightly, LearnsFromTrafficThatMovedAway) {
  write_learning_loop("80%");
  checkpoint("good", 1);
  EXPECT_EQ(decided("", 0).at("verdict"), "promoted") << "no traffic has come yet";
  inputs_move_away();
  const auto learned = decided();
  EXPECT_EQ(learned.at("trigger"), "accuracy");
  EXPECT_EQ(learned.at("verdict"), "promoted") << learned;
  EXPECT_LT(learned.at("deployed").at("top1"), 0.8);
  EXPECT_GT(learned.at("figures").at("top1"), 0.8);
  EXPECT_EQ(last_good(), "2");
  const auto after = night("--json");
  EXPECT_EQ(after.status, 0) << "the traffic is what this version was trained on: " << after.out;
  EXPECT_LT(Json::parse(after.out).at("figures").at("drift"), 1);
  EXPECT_TRUE(Json::parse(after.out).at("decisions").empty());
}

TEST_F(LearningNightly, CutOffBehindItsDecisionItDoesNotTryOnceMore) {
  write_learning_loop("101%");  // what is promoted violates it as well
  checkpoint("good", 1);
  night();
  inputs_move_away();
  fs::remove(registry("report.html"));
  fs::create_directories(registry("report.html/in the way"));
  EXPECT_EQ(night().status, 3);
  fs::remove_all(registry("report.html"));
  const auto decision = decided("", 1);
  EXPECT_EQ(decision.at("number"), 2);
  EXPECT_EQ(decision.at("verdict"), "promoted");
  EXPECT_EQ(decided_versions(), (std::vector<int>{1, 2}));
}

TEST(NightlyConfigs, LoopIsRead) {
  const auto result = run_program("-q nightly " DSC_SOURCE_DIR "/configs/nightly/loop.yaml --dry-run");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "no file matches")) << result.out;
}

TEST_F(Nightly, MistakesInTheLoopAreNamedWithTheirPlace) {
  write_loop("0.5", "keep: {verions: 2}\nbudgets: {top1: {min: 3ms}}\n");
  const auto result = night();
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "versions")) << result.err;
  EXPECT_TRUE(contains(result.err, "margin of top1 needs a unit")) << result.err;
  EXPECT_TRUE(contains(result.err, "loop.yaml:")) << result.err;
}

// returns: whether it was still running.
bool kill_after(const std::string& loop, std::chrono::milliseconds wait) {
  const auto child = ::fork();
  if (child == 0) {
    static const std::string program = DSC_BINARY_DIR "/bin/dscompress";
    ::execl(program.c_str(), program.c_str(), "-q", "nightly", loop.c_str(), "--threads", "1", static_cast<char*>(nullptr));
    std::_Exit(127);
  }
  std::this_thread::sleep_for(wait);
  ::kill(child, SIGKILL);
  int state = 0;
  ::waitpid(child, &state, 0);
  return WIFSIGNALED(state);
}

TEST_F(Nightly, KilledAtAnyInstantItEndsWithOneVersionAndOneRow) {
  checkpoint("good", 1);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(night().status, 0);
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  Random random(5);
  checkpoint("bad", 2);
  for (int i = 0; i < 5; ++i) {
    if (!kill_after(loop().file("loop.yaml"), std::chrono::milliseconds(static_cast<long>(static_cast<double>(whole) * (0.2 + 0.7 * random.uniform()))))) break;
  }
  ASSERT_EQ(night().status, 0);
  EXPECT_EQ(last_good(), "1");
  EXPECT_EQ(decided_versions(), (std::vector<int>{1, 2}));
  EXPECT_TRUE(fs::exists(registry("rejected/2/decision.json")));
  for (const auto& entry : fs::directory_iterator(registry(""))) EXPECT_FALSE(contains(entry.path().filename().string(), ".new-")) << entry.path();
  EXPECT_FALSE(fs::exists(registry(".candidate.json")));
}

}  // namespace
}  // namespace dsc::test
