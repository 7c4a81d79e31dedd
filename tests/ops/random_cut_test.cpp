// Random networks, cut at random: the graph verifies, runs, and computes what the network with zeroed weights does.
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/cut_check.h"
#include "ops/random_network.h"
#include "ops/text_model.h"

namespace dsc {
namespace {

class RandomCut : public testing::TestWithParam<int> {};

TEST_P(RandomCut, EqualsZeroed) {
  auto seed = static_cast<std::uint64_t>(GetParam());
  std::string body = test::RandomNetwork(seed).write(2 + GetParam() % 4, 1 + GetParam() % 3);
  SCOPED_TRACE(body);
  Model model = test::text_model(body, seed);
  ChannelGroups groups(model);
  EXPECT_TRUE(groups.unknown_operators().empty());
  auto compared = std::ranges::count_if(groups.groups(), [](const ChannelGroup& group) { return group.statistics.empty(); });
  EXPECT_GE(compared, 1) << test::describe(groups);
  for (double share : {0.2, 0.6}) test::expect_cut_equals_zeroed(model, share, seed);
}

// Statistics over channels change what is computed, but nothing may be left inconsistent.
TEST_P(RandomCut, VerifiesAndRunsWithEveryGroupCut) {
  auto seed = static_cast<std::uint64_t>(GetParam());
  Model model = test::text_model(test::RandomNetwork(seed).write(4, 2), seed);
  ChannelGroups groups(model);
  double before = model_cost(model).parameters;
  std::vector<at::Tensor> inputs = example_inputs(model, 3, seed), expected = test::run_model(model, inputs);
  cut(model, groups, test::random_removal(groups, 0.5, seed));
  for (const Problem& problem : verify(model)) ADD_FAILURE() << problem.message;
  EXPECT_LE(model_cost(model).parameters, 0.75 * before);
  EXPECT_EQ(test::run_model(model, inputs).at(0).sizes(), expected.at(0).sizes());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomCut, testing::Range(1, 61));

}  // namespace
}  // namespace dsc
