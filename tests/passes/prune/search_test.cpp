// Cuts found by trying.
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/cost.h"
#include "passes/prune/choose/search.h"
#include "passes/prune/choose/target.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_models.h"

namespace dsc {

PassInfo make_prune_channels();

namespace {

using test::ConfiguredPass;

ConfiguredPass searching_pass(const std::string& options) { return {make_prune_channels(), "{" + options + "}"}; }

// Metrics as if all of the network's accuracy hung on fc1.
Metrics all_hangs_on_fc1(const Model& model, const Dataset&, std::int64_t) {
  return {{"top1", 0.25 + 0.75 * static_cast<double>(model.weights.get("fc1.weight").size(0)) / 16}};
}

class PruneSearch : public testing::TestWithParam<const char*> {
 protected:
  std::string method() const { return std::string("method: ") + GetParam(); }
  Model model = test::tiny_mlp();
  test::MemoryDataset valid = test::synthetic_classes(64);
};

TEST_P(PruneSearch, FindsWhatMattersWithinTheBudget) {
  test::FakeContext context(model, {.valid = &valid});
  context.metrics = all_hangs_on_fc1;
  const auto result = searching_pass("reduce: {macs: 0.3}, search: {episodes: 60, " + method() + "}").run(model, context);
  EXPECT_EQ(model.weights.get("fc1.weight").size(0), 16) << "the best of all cuts: fc2 alone can lose enough";
  EXPECT_LE(model_cost(model).macs, 0.7 * model_cost(test::tiny_mlp()).macs);
  EXPECT_EQ(context.evaluations, 61);
  EXPECT_EQ(context.curve_values("search_best_top1").size(), 60U);
  EXPECT_DOUBLE_EQ(context.curve_values("search_best_top1").back(), 1);
  EXPECT_TRUE(std::ranges::any_of(result.notes, [](const std::string& note) { return note.starts_with("search: top1 1.0000 in episode"); }));
}

TEST_P(PruneSearch, NoTriedModelExceedsTheBudgetOrTheLimits) {
  test::FakeContext context(model, {.valid = &valid});
  const double budget = 0.6 * model_cost(model).macs;
  int tried = 0;
  context.metrics = [&](const Model& any, const Dataset&, std::int64_t limit) {
    if (limit == 16) {
      ++tried;
      EXPECT_LE(model_cost(any).macs, budget * (1 + 1e-9));
      EXPECT_EQ(any.weights.get("fc1.weight").size(0) % 2, 0);
      EXPECT_EQ(any.weights.get("fc2.weight").size(0), 12) << "its share is given";
    }
    return Metrics{{"top1", static_cast<double>(parameter_count(any) % 7)}};
  };
  searching_pass("reduce: {macs: 0.4}, round_to: 2, layers: {fc2: 0.25}, search: {evaluate: 16, episodes: 25, " + method() + "}").run(model, context);
  EXPECT_EQ(tried, 25);
}

TEST_P(PruneSearch, ResumedItCutsTheSame) {
  const auto pass = searching_pass("reduce: {macs: 0.4}, search: {episodes: 17, evaluate: 32, " + method() + "}");
  Model whole = model.clone(), first = model.clone(), second = model.clone();
  test::FakeContext uninterrupted(model, {.valid = &valid}), killed(model, {.valid = &valid});
  pass.run(whole, uninterrupted);
  killed.kill_after_saves = 2;
  EXPECT_THROW(pass.run(first, killed), test::Killed);
  killed.restart();
  pass.run(second, killed);
  EXPECT_EQ(killed.evaluations, 1 + 7) << "ten episodes were saved";
  EXPECT_TRUE(test::equal_weights(whole, second));
}

// What the search measured is what the step leaves.
TEST_P(PruneSearch, TheStepCutsTheBestModelThatWasTried) {
  Model network = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(64), held_out = test::synthetic_images(64, 1);
  test::FakeContext context(network, {.train = &train, .valid = &held_out});
  searching_pass("reduce: {macs: 0.5}, recalibrate_batches: 1, search: {episodes: 12, " + method() + "}").run(network, context);
  EXPECT_DOUBLE_EQ(test::evaluate_classifier(network, held_out).at("top1"), context.curve_values("search_best_top1").back());
}

INSTANTIATE_TEST_SUITE_P(Methods, PruneSearch, testing::Values("evolution", "amc"), [](const auto& info) { return std::string(info.param); });

TEST(PruneSearchOptions, WrongOnesAreErrors) {
  for (const char* options : {"reduce: {channels: 0.3}, search: {}", "reduce: {latency: 0.3}, search: {}", "reduce: {macs: 0.3}, steps: 2, search: {}",
                              "reduce: {macs: 0.3}, search: {method: bayes}", "reduce: {macs: 0.3}, sparsify: {}, search: {}"}) {
    EXPECT_THROW(searching_pass(options), Error) << options;
  }
}

TEST(PruneSearchOptions, NeedsAValidationSplit) {
  Model model = test::tiny_mlp();
  test::FakeContext context(model);
  context.rehearsal = true;
  EXPECT_THROW(searching_pass("reduce: {macs: 0.3}, search: {}").run(model, context), Error);
}

TEST(PruneSearchOptions, ARehearsalTriesNothing) {
  Model model = test::tiny_mlp();
  test::MemoryDataset valid = test::synthetic_classes(64);
  test::FakeContext context(model, {.valid = &valid});
  context.rehearsal = true;
  const double before = model_cost(model).macs;
  searching_pass("reduce: {macs: 0.3}, search: {}").run(model, context);
  EXPECT_EQ(context.evaluations, 1) << "one example, for the name of the metric";
  EXPECT_LE(model_cost(model).macs, 0.7 * before);
}

}  // namespace
}  // namespace dsc
