// A run that lets a network look at smaller pictures first, and what the program makes of the chain that it leaves.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

std::string resolutions_recipe() {
  return tiny_recipe_head() +
         R"(evaluate: {metrics: [top1], baseline: finetune, latency: {engine: libtorch, batch: [1], min_seconds: 0.05, iterations: 5}}
passes:
  - finetune: {epochs: 8, batch: 32, optimizer: {sgd: {lr: 0.05}}}
  - dynamic_resolution: {sizes: [4, 6], max_drop: 2pp, epochs: 4, batch: 32, optimizer: {sgd: {lr: 0.05}}}
)";
}

nlohmann::json resolution_table(const nlohmann::json& report, const std::string& name) {
  for (const auto& table : report.at("steps").back().at("tables")) {
    if (contains(table.at("name"), name)) return table;
  }
  ADD_FAILURE() << "no table " << name;
  return {};
}

TEST(DynamicResolutionRun, LeavesAChainThatIsJudgedAndTimed) {
  const TinyRun run(resolutions_recipe() + "  - quantize: {mode: ptq, calibration: {samples: 64}}\n");
  const auto result = run.run("out");
  ASSERT_EQ(result.status, 0) << result.err;
  for (const char* name : {"out/resolutions/chain.json", "out/resolutions/stage-0.pt2", "out/resolutions/stage-2.pt2"})
    EXPECT_TRUE(std::filesystem::exists(run.file(name))) << name;
  const auto report = nlohmann::json::parse(slurp(run.file("out/report.json")));
  const auto& chain = report.at("deployed")[0];
  EXPECT_TRUE(contains(chain.at("engine"), "chain of 3 resolutions"));
  const auto table = resolution_table(report, "resolutions as deployed");
  EXPECT_EQ(table.at("columns"), nlohmann::json({"resolution", "MACs", "top1", "p50 ms of 1"}));
  ASSERT_EQ(table.at("rows").size(), 3U);
  char own[32];
  std::snprintf(own, sizeof own, "%.2f %%", 100 * report.at("steps").back().at("metrics").at("top1").get<double>());
  EXPECT_EQ(table.at("rows")[2][2], own) << "the pictures' own size is the model itself";
  resolution_table(report, "latency over resolutions");
  EXPECT_TRUE(contains(slurp(run.file("out/report.html")), "top1 over p50 ms of 1"));

  const auto evaluated =
      run_program("-q eval " + run.file("recipe.yaml") + " --model " + run.file("out/resolutions/chain.json") + " --threads 1 --json");
  ASSERT_EQ(evaluated.status, 0) << evaluated.err;
  EXPECT_EQ(nlohmann::json::parse(evaluated.out).at("metrics"), chain.at("metrics"));
  ASSERT_EQ(nlohmann::json::parse(evaluated.out).at("exits").size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(evaluated.out).at("exits")[0].at("behind"), "4 x 4");
}

TEST(DynamicResolutionRun, MistakesAreNamedBeforeTraining) {
  expect_named_before_training({"  - dynamic_resolution: {sizes: [4, 9], threshold: 0.9}\n", "9 is no smaller height than the pictures have"});
  expect_named_before_training({"  - dynamic_resolution: {sizes: [], threshold: 0.9}\n", "`sizes` must name at least one"});
  expect_named_before_training({"  - dynamic_resolution: {sizes: [4]}\n", "needs exactly one of threshold, max_drop"});
}

}  // namespace
}  // namespace dsc::test
