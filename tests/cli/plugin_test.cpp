// The plugin example, built on its own against the build's CMake package and used by the program.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

TEST(Plugin, ExampleBuildsOnItsOwnAndRunsInARecipe) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - example.clip_weights: {deviations: 1.5}\n");
  const auto build = run.file("build");
  const auto configure = "cmake -S " DSC_SOURCE_DIR "/configs/plugin -B " + build + " -Ddscompress_DIR=" DSC_BINARY_DIR " -DTorch_DIR=" DSC_TORCH_DIR
                         " >" + run.file("cmake.log") + " 2>&1 && cmake --build " + build + " >>" + run.file("cmake.log") + " 2>&1";
  ASSERT_EQ(std::system(configure.c_str()), 0) << slurp(run.file("cmake.log"));
  const auto plugin = "--plugin " + build + "/libclip_weights.so ";
  const auto listed = run_program(plugin + "passes example.clip_weights");
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_NE(listed.out.find("deviations"), std::string::npos) << listed.out;
  const auto result = run_program("-q " + plugin + "run " + run.file("recipe.yaml") + " --output-dir " + run.file("out"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto report = nlohmann::json::parse(slurp(run.file("out/report.json")));
  EXPECT_EQ(report.at("steps")[1].at("pass"), "example.clip_weights");
  EXPECT_TRUE(report.at("steps")[1].at("changed").get<bool>());
  EXPECT_GT(report.at("steps")[1].at("statistics")[0].at("value").get<double>(), 0);
  const auto unknown = run_program("validate --recipe-only " + run.file("recipe.yaml"));
  EXPECT_EQ(unknown.status, 2) << "without the plugin there is no such pass";
}

}  // namespace
}  // namespace dsc::test
