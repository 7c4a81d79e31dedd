// Every .pt2 below DSCOMPRESS_ZOO (scripts/zoo makes them): groups found, a third of each cut, verified and run; where
// no statistic over channels is taken, compared with the zeroed model. Skipped when the variable is not set.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "io/pt2.h"
#include "ops/cut_check.h"

namespace dsc {
namespace {

std::vector<std::string> zoo_files() {
  const char* folder = std::getenv("DSCOMPRESS_ZOO");
  std::vector<std::string> files;
  if (!folder) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".pt2") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Zoo : public testing::TestWithParam<std::string> {};

TEST_P(Zoo, CutsAThirdOfEveryGroup) {
  Model model = read_pt2(GetParam());
  auto start = std::chrono::steady_clock::now();
  ChannelGroups groups(model);
  double analysis = seconds_since(start);
  if (std::getenv("DSCOMPRESS_ZOO_GROUPS")) std::printf("%s", test::describe(groups).c_str());
  for (const Node* node : groups.unknown_operators()) std::printf("unknown operator %s\n", node->target().c_str());
  Removal removed = test::random_removal(groups, 0.3, 1);
  Cost before = model_cost(model);
  Model small = model.clone();
  ChannelGroups of_small(small);
  start = std::chrono::steady_clock::now();
  cut(small, of_small, removed);
  double cutting = seconds_since(start);
  for (const Problem& problem : verify(small)) ADD_FAILURE() << problem.message;
  Cost after = model_cost(small);
  std::printf("  %zu groups, %zu units, analysis %.0f ms, cut %.0f ms, macs %.1fM -> %.1fM, parameters %.2fM -> %.2fM\n", groups.groups().size(), groups.unit_count(),
              analysis * 1e3, cutting * 1e3, before.macs / 1e6, after.macs / 1e6, before.parameters / 1e6, after.parameters / 1e6);
  EXPECT_LE(after.parameters, 0.7 * before.parameters);
  for (std::int64_t batch : {0, 3}) {
    std::vector<at::Tensor> inputs = example_inputs(model, batch, 1);
    EXPECT_FALSE(test::run_model(small, inputs).empty());
  }
  test::expect_cut_equals_zeroed(model, 0.3, 2, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, Zoo, testing::ValuesIn(zoo_files()), [](const auto& info) {
  std::string name = std::filesystem::path(info.param).stem().string();
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Zoo);

}  // namespace
}  // namespace dsc
