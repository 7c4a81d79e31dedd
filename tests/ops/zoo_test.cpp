// The .pt2 files that DSCOMPRESS_ZOO names (a file, or a folder; scripts/zoo makes them): groups found, a third of each
// cut, verified, run at two batch sizes, and where no statistic over channels is taken compared with the zeroed model.
// Skipped when the variable is not set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/pt2.h"
#include "ops/cut_check.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> zoo_files() {
  const char* place = std::getenv("DSCOMPRESS_ZOO");
  std::vector<std::string> files;
  if (!place) return files;
  if (fs::is_regular_file(place)) return {place};
  for (const auto& entry : fs::directory_iterator(place)) {
    if (entry.path().extension() == ".pt2") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

class Zoo : public testing::TestWithParam<std::string> {
 protected:
  // What scripts/zoo reads from gtest's JSON report.
  static void record(const char* name, const auto& value) { RecordProperty(name, value); }
  static double milliseconds(const std::function<void()>& work) {
    auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
};

TEST_P(Zoo, CutsEveryGroup) {
  Model model = read_pt2(GetParam());
  std::optional<ChannelGroups> groups;
  record("analysis_ms", std::to_string(milliseconds([&] { groups.emplace(model); })));
  if (std::getenv("DSCOMPRESS_ZOO_GROUPS")) std::puts(test::describe(*groups).c_str());
  std::string unknown;
  for (const Node* node : groups->unknown_operators()) unknown += node->target() + " ";
  record("unknown_operators", unknown);
  record("groups", std::to_string(groups->groups().size()));
  Removal removed = test::random_removal(*groups, 0.3, 1);
  record("cut_ms", std::to_string(milliseconds([&] { cut(model, *groups, removed); })));
  for (const Problem& problem : verify(model)) ADD_FAILURE() << problem.message;
}

TEST_P(Zoo, CutEqualsZeroedModel) {
  Model model = read_pt2(GetParam());
  ChannelGroups groups(model);
  record("groups_compared", std::to_string(std::ranges::count_if(groups.groups(), [](const ChannelGroup& group) { return group.statistics.empty(); })));
  Removal removed = test::random_removal(groups, 0.3, 1, true);
  Model zeroed = model.clone(), small = model.clone();
  zero_out(zeroed, ChannelGroups(zeroed), removed);
  cut(small, ChannelGroups(small), removed);
  for (const Problem& problem : verify(small)) ADD_FAILURE() << problem.message;
  double worst = 0;
  for (std::int64_t batch : {0, 3}) {
    std::vector<at::Tensor> inputs = example_inputs(model, batch, 1);
    worst = std::max(worst, test::relative_error(test::run_model(small, inputs), test::run_model(zeroed, inputs)));
  }
  record("zeroed_error", std::to_string(worst * 1e9) + "e-9");
  EXPECT_LE(worst, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(All, Zoo, testing::ValuesIn(zoo_files()), [](const auto& info) {
  std::string name = fs::path(info.param).stem().string();
  std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Zoo);

}  // namespace
}  // namespace dsc
