// A run that gives a network early exits, and what the program makes of the chain that it leaves.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

std::string exits_recipe() {
  return tiny_recipe_head() +
         R"(evaluate: {metrics: [top1], baseline: finetune, latency: {engine: libtorch, batch: [1], min_seconds: 0.05, iterations: 5}}
passes:
  - finetune: {epochs: 8, batch: 32, optimizer: {sgd: {lr: 0.05}}}
  - early_exit: {at: [0.5], max_drop: 2pp, epochs: 4, batch: 32, optimizer: {sgd: {lr: 0.05}}}
)";
}

nlohmann::json parse(const std::string& text) { return nlohmann::json::parse(text); }

TEST(EarlyExitRun, LeavesAChainThatIsJudgedAndTimed) {
  const TinyRun run(exits_recipe());
  const auto result = run.run("out");
  ASSERT_EQ(result.status, 0) << result.err;
  for (const char* name : {"out/exits/chain.json", "out/exits/stage-0.pt2", "out/exits/stage-1.pt2"})
    EXPECT_TRUE(std::filesystem::exists(run.file(name))) << name;
  const auto report = parse(slurp(run.file("out/report.json")));
  const auto& step = report.at("steps").back();
  EXPECT_EQ(step.at("metrics"), report.at("steps")[1].at("metrics")) << "the frozen network's own accuracy";
  const auto& chain = report.at("deployed")[0];
  EXPECT_TRUE(contains(chain.at("engine"), "chain of 2 with early exits"));
  EXPECT_FALSE(contains(slurp(run.file("out/report.md")), "0 of 0")) << "LibTorch does not tell its kernels";
  bool is_timed = false;
  for (const auto& table : step.at("tables")) is_timed = is_timed || contains(table.at("name"), "latency with early exits");
  EXPECT_TRUE(is_timed);
  std::map<std::string, double> figures;
  for (const auto& figure : step.at("statistics")) figures[figure.at("name")] = figure.at("value");
  for (const std::string whole : {"the_base", "the_whole_network"})
    EXPECT_NEAR(figures.at("share_of_" + whole + "'s_mean_latency"), figures.at("mean_latency_with_exits") / figures.at("mean_latency_of_" + whole),
                1e-9);

  const auto evaluated = run_program("-q eval " + run.file("recipe.yaml") + " --model " + run.file("out/exits/chain.json") + " --threads 1 --json");
  ASSERT_EQ(evaluated.status, 0) << evaluated.err;
  EXPECT_EQ(parse(evaluated.out).at("metrics"), chain.at("metrics"));
  EXPECT_EQ(parse(evaluated.out).at("exits").size(), 2U);
  const auto timed =
      run_program("bench " + run.file("out/exits/chain.json") + " --engine libtorch --min-seconds 0.05 --iterations 5 --threads 1 --json");
  ASSERT_EQ(timed.status, 0) << timed.err;
  EXPECT_EQ(parse(timed.out).at("latency").size(), 2U);
  const auto refused = run_program("-q eval " + run.file("recipe.yaml") + " --model " + run.file("out/exits/chain.json") + " --engine openvino");
  EXPECT_EQ(refused.status, 2);
  EXPECT_TRUE(contains(refused.err, "without stages for OpenVINO")) << refused.err;
}

// The threshold goes with the model, from step to step and from file to file.
TEST(EarlyExitRun, LaterStepsKeepTheExits) {
  const TinyRun run(exits_recipe() + "  - quantize: {mode: ptq, calibration: {samples: 64}}\n");
  for (const char* out : {"first", "second"}) {  // the second takes its states from the cache
    const auto result = run.run(out, "--cache " + run.file("cache"));
    ASSERT_EQ(result.status, 0) << result.err;
  }
  const auto plan = slurp(run.file("first/exits/chain.json"));
  EXPECT_TRUE(contains(plan, R"("block": "add")")) << plan;
  EXPECT_EQ(slurp(run.file("second/exits/chain.json")), plan);
  EXPECT_EQ(slurp(run.file("second/exits/stage-1.pt2")), slurp(run.file("first/exits/stage-1.pt2")));
}

// The report tells the kernels of all stages together, exits' heads among them.
TEST(EarlyExitRun, TheReportTellsWhichLayersOfTheChainRunInInt8) {
  const TinyRun run(tiny_recipe_head() + "evaluate: {metrics: [top1]}\npasses:\n  - early_exit: {at: [0.5], threshold: 0.8, epochs: 1, batch: 32}\n" +
                    "  - quantize: {mode: ptq, calibration: {samples: 64}}\ndeploy: {openvino: {}}\n");
  const auto result = run.run("out");
  if (contains(result.err, "no OpenVINO")) GTEST_SKIP() << "this build has no OpenVINO engine";
  ASSERT_EQ(result.status, 0) << result.err;
  const auto deployed = parse(slurp(run.file("out/report.json"))).at("deployed");
  const auto &chain = deployed.at(0), &whole = deployed.at(1);
  EXPECT_TRUE(contains(chain.at("engine"), "chain of 2"));
  EXPECT_GT(whole.at("layers_int8").get<int>(), 0);
  EXPECT_EQ(chain.at("layers_total"), whole.at("layers_total"));  // the whole's graph computes the exit's scores too
  EXPECT_EQ(chain.at("layers_int8"), whole.at("layers_int8"));
}

TEST(EarlyExitRun, MistakesAreNamedBeforeTraining) {
  expect_named_before_training({"  - early_exit: {blocks: [layer9.0], threshold: 0.9}\n", "has no block `layer9.0`"});
  expect_named_before_training({"  - early_exit: {count: 1, threshold: 1.5}\n", "threshold 1.5 is out of range"});
}

}  // namespace
}  // namespace dsc::test
