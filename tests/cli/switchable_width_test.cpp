// A run that makes a network run at several widths, and what it leaves.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

const char* const kWidths =
    "  - switchable_width: {widths: [0.5, 0.25], epochs: 6, batch: 32, recalibrate_batches: 4, optimizer: {sgd: {lr: 0.05}}}\n";

std::string widths_recipe(const std::string& latency) {
  return tiny_recipe_head() + "evaluate: {metrics: [top1]" + latency + "}\npasses:\n" + kWidths;
}

nlohmann::json parse(const std::string& text) { return nlohmann::json::parse(text); }

nlohmann::json find_table(const nlohmann::json& report, const std::string& name) {
  for (const auto& table : report.at("steps").back().at("tables")) {
    if (table.at("name") == name) return table;
  }
  ADD_FAILURE() << "no table " << name;
  return {};
}

TEST(SwitchableWidthRun, LeavesAModelForEachWidth) {
  const TinyRun run(widths_recipe(", latency: {engine: libtorch, batch: [2], min_seconds: 0.05, iterations: 5}"));
  const auto result = run.run("out");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto report = parse(slurp(run.file("out/report.json")));
  const auto table = find_table(report, "widths as deployed");
  EXPECT_EQ(table.at("columns"), nlohmann::json({"width", "MACs", "parameters", "bytes", "top1", "p50 ms of 2"}));
  ASSERT_EQ(table.at("rows").size(), 3U);
  for (const auto& row : table.at("rows")) {
    const std::string file = run.file("out/widths/" + row[0].get<std::string>() + ".pt2");
    EXPECT_EQ(std::to_string(std::filesystem::file_size(file)), row[3]);
    const auto evaluated = run_program("-q eval " + run.file("recipe.yaml") + " --model " + file + " --threads 1 --json");
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    char top1[32];
    std::snprintf(top1, sizeof top1, "%.2f %%", 100 * parse(evaluated.out).at("metrics").at("top1").get<double>());
    EXPECT_EQ(row[4], top1) << row[0];
  }
}

TEST(SwitchableWidthRun, StepsThatChangeLayersCannotFollow) {
  const TinyRun run(widths_recipe("") + "  - prune: {importance: l1, reduce: {macs: 0.4}}\n");
  const auto result = run_program("validate " + run.file("recipe.yaml"));
  EXPECT_NE(result.status, 0);
  EXPECT_TRUE(contains(result.err, "let switchable_width be the last step that changes layers")) << result.err;
}

TEST(SwitchableWidthRun, MistakesAreNamedBeforeTraining) {
  expect_named_before_training({"  - switchable_width: {widths: [1]}\n", "must name at least one width below 1"});
  expect_named_before_training({"  - switchable_width: {widths: [1.5]}\n", "1.5"});
}

}  // namespace
}  // namespace dsc::test
