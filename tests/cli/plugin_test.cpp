// The plugin examples, built on their own against the build's CMake package and used by the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

class Plugin : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    built = new TempFolder();
    const auto log = built->file("cmake.log"), folder = built->file("build");
    const auto build = "cmake -S " DSC_SOURCE_DIR "/configs/plugin -B " + folder + " -Ddscompress_DIR=" DSC_BINARY_DIR " -DTorch_DIR=" DSC_TORCH_DIR " >" + log +
                       " 2>&1 && cmake --build " + folder + " -j 2 >>" + log + " 2>&1";
    ASSERT_EQ(std::system(build.c_str()), 0) << slurp(log);
  }
  static void TearDownTestSuite() {
    delete built;
    built = nullptr;
  }
  static std::string option(const std::string& name) { return "--plugin " + built->file("build/lib" + name + ".so") + " "; }
  // Runs the recipe's steps. returns: the report.
  static nlohmann::json run(const TinyRun& files, const std::string& plugin) {
    const auto result = run_program("-q " + option(plugin) + "run " + files.file("recipe.yaml") + " --output-dir " + files.file("out"));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status == 0 ? nlohmann::json::parse(slurp(files.file("out/report.json"))) : nlohmann::json();
  }
  static TempFolder* built;
};
TempFolder* Plugin::built = nullptr;

TEST_F(Plugin, APassOfItsOwnRunsInARecipe) {
  const TinyRun files(tiny_recipe_head() + "passes:\n  - example.clip_weights: {deviations: 1.5}\n");
  const auto listed = run_program(option("clip_weights") + "passes example.clip_weights");
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_NE(listed.out.find("deviations"), std::string::npos) << listed.out;
  const auto report = run(files, "clip_weights");
  EXPECT_EQ(report.at("steps")[1].at("pass"), "example.clip_weights");
  EXPECT_TRUE(report.at("steps")[1].at("changed").get<bool>());
  EXPECT_GT(report.at("steps")[1].at("statistics")[0].at("value").get<double>(), 0);
  const auto unknown = run_program("validate --recipe-only " + files.file("recipe.yaml"));
  EXPECT_EQ(unknown.status, 2) << "without the plugin there is no such pass";
}

TEST_F(Plugin, PrunesByAnImportanceOfItsOwn) {
  const TinyRun files(tiny_recipe_head() + "passes:\n  - example.prune_by_spread: {reduce: {channels: 0.5}, ignore: [conv1, layer1.0.conv2, 'layer2.**']}\n");
  run(files, "prune_by_spread");
  const std::string name = "layer1.0.conv1.weight";
  const auto whole = read_pt2(files.file("model.pt2")).weights.get(name);
  std::vector<std::pair<double, std::int64_t>> spreads;  // by a plain loop
  for (std::int64_t filter = 0; filter < whole.size(0); ++filter) {
    const auto values = whole[filter].reshape({-1}).to(at::kDouble);
    double mean = 0, squares = 0;
    for (std::int64_t i = 0; i < values.numel(); ++i) mean += values[i].item<double>() / static_cast<double>(values.numel());
    for (std::int64_t i = 0; i < values.numel(); ++i) squares += std::pow(values[i].item<double>() - mean, 2);
    spreads.emplace_back(std::sqrt(squares / static_cast<double>(values.numel() - 1)), filter);
  }
  std::ranges::sort(spreads, std::greater());
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < spreads.size() / 2; ++i) kept.push_back(spreads[i].second);
  std::ranges::sort(kept);
  const auto cut = read_pt2(files.file("out/model.pt2")).weights.get(name);
  EXPECT_TRUE(cut.equal(whole.index_select(0, at::tensor(kept, at::kLong)))) << cut.sizes();

  const TinyRun contradiction(tiny_recipe_head() + "passes:\n  - example.prune_by_spread: {reduce: {macs: 0.3, channels: 0.2}}\n");
  const auto refused = run_program(option("prune_by_spread") + "validate " + contradiction.file("recipe.yaml"));
  EXPECT_EQ(refused.status, 2);
  EXPECT_TRUE(contains(refused.err, "exactly one of")) << refused.err;
}

TEST_F(Plugin, TrainsWithALossOfItsOwn) {
  const TinyRun files(tiny_recipe_head() + "evaluate: {metrics: [agreement, kl]}\npasses:\n  - prune: {reduce: {macs: 0.3}}\n"
                      "  - example.match_base: {epochs: 6, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n");
  const auto report = run(files, "match_base");
  const auto kl = [&](std::size_t step) { return report.at("steps")[step].at("metrics").at("kl").get<double>(); };
  EXPECT_LT(kl(2), 0.5 * kl(1)) << "the cut network comes closer to the base";
}

}  // namespace
}  // namespace dsc::test
