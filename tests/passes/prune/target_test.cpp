// What a cut is aimed at: latency, sensitivity, coarse steps, training towards the teacher after it.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/file.h"
#include "ops/cost.h"
#include "ops/cut.h"
#include "passes/prune/choose/latency.h"
#include "passes/prune/overview.h"
#include "passes/prune/choose/sensitivity.h"
#include "passes/prune/choose/target.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/program.h"
#include "support/tiny_models.h"
#include "train/distill/distillation.h"

namespace dsc {

PassInfo make_prune_channels();

namespace {

using namespace prune;
using test::ConfiguredPass;

ConfiguredPass prune_pass(const std::string& options) { return {make_prune_channels(), "{" + options + "}"}; }

// --- latency ---

LatencyPoint point_at(double reduction, double ratio) { return {reduction, ratio * 8, 8}; }

TEST(PruneLatency, SearchFindsTheReductionThatMeetsTheRatio) {
  auto steep = [](double reduction) { return point_at(reduction, 1 - reduction * reduction); };
  LatencySearch search = search_latency(0, 0.95, 0.5, steep);
  EXPECT_NEAR(1 - search.macs_reduction * search.macs_reduction, 0.5, 0.005);
  auto staircase = [](double reduction) { return point_at(reduction, reduction < 0.4 ? 1.0 : reduction < 0.7 ? 0.6 : 0.3); };
  search = search_latency(0, 0.95, 0.5, staircase);
  EXPECT_NEAR(search.macs_reduction, 0.7, 0.005);  // the first that is fast enough
}

TEST(PruneLatency, SearchSaysWhatCannotBeReached) {
  EXPECT_THROW(search_latency(0, 0.9, 0.2, [](double reduction) { return point_at(reduction, 1 - 0.5 * reduction); }), Error);
}

TEST(PruneLatency, TableSurvivesAsText) {
  LatencySearch search{0.25, {point_at(0.1, 0.7), point_at(0.25, 0.4)}};
  EXPECT_EQ(to_text(parse_latency_search(to_text(search))), to_text(search));
}

// A machine whose time is a fixed part and one for the parameters: not that for MACs.
double pretended_ms(const Model& model) { return 1 + 1e-3 * static_cast<double>(parameter_count(model)); }

TEST(PruneLatency, MeetsTheMeasuredLatency) {
  Model model = test::tiny_residual_cnn(1, {.width = 32});
  test::MemoryDataset train = test::synthetic_images(64);
  ConfiguredPass pass = prune_pass("reduce: {latency: 0.4}, steps: 2, finetune_each: {epochs: 1, batch: 32}");
  test::FakeContext context(model, {.train = &train});
  context.latency = pretended_ms;
  Model pruned = model.clone();
  PassResult result = pass.run(pruned, context);
  EXPECT_NEAR(pretended_ms(pruned) / pretended_ms(model), 0.6, 0.015);
  EXPECT_TRUE(std::ranges::any_of(result.tables, [](const Table& table) { return table.name == "latency" && table.rows.size() > 2; }));

  // A resumed run keeps what was measured, however slow the machine has become.
  test::FakeContext killed(model, {.train = &train});
  killed.latency = pretended_ms;
  killed.kill_after_saves = 2;
  Model first = model.clone(), second = model.clone();
  EXPECT_THROW(pass.run(first, killed), test::Killed);
  killed.restart();
  killed.latency = [](const Model& m) { return 100 * pretended_ms(m) + 7; };
  pass.run(second, killed);
  EXPECT_TRUE(test::equal_weights(pruned, second));
}

// --- of the base ---

TEST(PruneOfBase, CountsWhatEarlierStepsRemoved) {
  const Model base = test::tiny_residual_cnn(1, {.width = 32});
  Model twice = base.clone(), once = base.clone();
  test::FakeContext first(base), second(base), third(base);
  prune_pass("reduce: {macs: 0.3}").run(twice, first);
  prune_pass("reduce: {macs: 0.6}, of: base").run(twice, second);
  EXPECT_NEAR(model_cost(twice).macs / model_cost(base).macs, 0.4, 0.02);
  prune_pass("reduce: {macs: 0.6}, of: base").run(once, third);
  EXPECT_NEAR(model_cost(once).macs / model_cost(base).macs, 0.4, 0.02);
}

TEST(PruneOfBase, SaysWhatCannotBeReached) {
  const Model base = test::tiny_residual_cnn(1, {.width = 32});
  test::FakeContext context(base);
  Model model = base.clone();
  try {
    prune_pass("reduce: {macs: 0.98}, of: base, max_share: 0.3").run(model, context);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::recipe);
    EXPECT_NE(std::string(error.what()).find("cannot be reached: at most"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(test::equal_weights(model, base)) << "and nothing is cut";
}

// --- sensitivity ---

const SenseTable kTable{"share cut", "top1", 0.9, {{"a", 0.5, 0.8}, {"a", 0.25, 0.9}, {"b", 0.5, 0.91}, {"b", 0.25, 0.6}}};

TEST(PruneSensitivity, ExpectedLossIsPiecewiseLinearAndNeverFalls) {
  EXPECT_NEAR(expected_loss(kTable, "a", 0.25), 0, 1e-12);
  EXPECT_NEAR(expected_loss(kTable, "a", 0.375), 0.05, 1e-12);
  EXPECT_NEAR(expected_loss(kTable, "a", 0.75), 0.5, 1e-12);  // halfway to all being lost
  EXPECT_NEAR(expected_loss(kTable, "b", 0.125), 0.15, 1e-12);
  EXPECT_NEAR(expected_loss(kTable, "b", 0.5), 0.3, 1e-12);   // a larger cut is not better
  EXPECT_NEAR(expected_loss(kTable, "b", 1), 0.9, 1e-12);
}

TEST(PruneSensitivity, TableSurvivesAsText) {
  EXPECT_EQ(to_text(parse_sense_table(to_text(kTable))), to_text(kTable));
  EXPECT_THROW(parse_sense_table("{\"points\": 3}"), Error);
}

// Metrics as if all of the network's accuracy hung on fc1.
Metrics only_fc1_matters(const Model& model, const Dataset&, std::int64_t) {
  return {{"top1", 0.25 + 0.75 * static_cast<double>(model.weights.get("fc1.weight").size(0)) / 16}};
}

TEST(PruneSensitivity, MeasuresEachGroupAloneAndSparesWhatMatters) {
  Model model = test::tiny_mlp();
  test::MemoryDataset valid = test::synthetic_classes(64);
  test::FakeContext context(model, {.valid = &valid});
  context.metrics = only_fc1_matters;
  ConfiguredPass pass = prune_pass("reduce: {macs: 0.3}, scope: sensitivity, sensitivity: {shares: [0.25, 0.5]}");
  Model pruned = model.clone();
  pass.run(pruned, context);
  EXPECT_EQ(context.evaluations, 5);
  EXPECT_GE(pruned.weights.get("fc1.weight").size(0), 15);  // one may go to come near the target
  EXPECT_LE(pruned.weights.get("fc2.weight").size(0), 10);
  EXPECT_LE(model_cost(pruned).macs, 0.7 * model_cost(model).macs);
}

TEST(PruneSensitivity, TakesATableFromAFile) {
  Model model = test::tiny_mlp();
  test::MemoryDataset valid = test::synthetic_classes(64);
  test::TempFolder folder;
  write_file_atomically(folder.file("sense.json"), to_text(SenseTable{"share cut", "top1", 0.9, {{"fc1", 0.5, 0.9}, {"fc2", 0.5, 0.1}}}));
  test::FakeContext context(model, {.valid = &valid});
  Model pruned = model.clone();
  prune_pass("reduce: {macs: 0.3}, scope: sensitivity, sensitivity: {table: " + folder.file("sense.json") + "}").run(pruned, context);
  EXPECT_EQ(context.evaluations, 0);
  EXPECT_GE(pruned.weights.get("fc2.weight").size(0), 15);
  EXPECT_LE(pruned.weights.get("fc1.weight").size(0), 11);
}

TEST(PruneSensitivity, NeedsAValidationSplit) {
  Model model = test::tiny_mlp();
  test::FakeContext context(model);
  context.rehearsal = true;
  EXPECT_THROW(prune_pass("reduce: {macs: 0.3}, scope: sensitivity").run(model, context), Error);
}

// --- sizes ---

TEST(PruneTarget, CoarseStepsComeAsNearAsTheyCan) {
  Model model = test::tiny_residual_cnn(1, {.width = 32});
  for (double share : {0.25, 0.5, 0.6}) {
    test::FakeContext context(model);
    Model pruned = model.clone();
    prune_pass("reduce: {macs: " + std::to_string(share) + "}, round_to: 4").run(pruned, context);
    double target = (1 - share) * model_cost(model).macs, reached = model_cost(pruned).macs;
    EXPECT_LE(reached, target);
    for (const char* weight : {"conv1.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer2.0.conv2.weight"}) {
      EXPECT_EQ(pruned.weights.get(weight).size(0) % 4, 0) << weight;
    }
    // No group can be given four channels back without going over.
    ChannelGroups groups(model), left(pruned);
    for (std::size_t g = 0; g < groups.groups().size(); ++g) {
      auto kept = static_cast<std::int64_t>(left.groups()[g].units.size());
      if (reached >= 0.99 * target || kept + 4 > static_cast<std::int64_t>(groups.groups()[g].units.size())) continue;
      Removal removed = groups.nothing();
      for (std::size_t other = 0; other < groups.groups().size(); ++other) {
        auto keep = left.groups()[other].units.size() + (other == g ? 4U : 0U);
        const auto& units = groups.groups()[other].units;
        for (std::size_t k = keep; k < units.size(); ++k) removed[static_cast<std::size_t>(units[k])] = 1;
      }
      EXPECT_GT(CostModel(model, groups).after(removed).macs, target) << g;
    }
  }
}

TEST(PruneReport, FollowsGroupsThatACutRenames) {
  Model model = test::tiny_residual_cnn();
  ChannelGroups groups(model);
  auto before = overview_of(model, groups);
  std::set<std::string> identities;
  for (const auto& row : before) identities.insert(row.identity);
  EXPECT_EQ(identities.size(), before.size());
  Removal removed = groups.nothing();
  for (const ChannelGroup& group : groups.groups()) removed[static_cast<std::size_t>(group.units.front())] = 1;
  Model small = model.clone();
  ChannelGroups of_small(small);
  cut(small, of_small, removed);
  ChannelGroups after(small);
  for (const auto& row : overview_of(small, after)) {
    EXPECT_TRUE(identities.contains(row.identity)) << row.identity;
  }
}

// --- training towards the teacher ---

TEST(PruneDistillEach, IsTheCutFollowedByTheDistillation) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(96);
  test::FakeContext a(model, {.train = &train}), b(model, {.train = &train});
  Model pruned = model.clone(), by_hand = model.clone();
  prune_pass("reduce: {channels: 0.5}, distill_each: {epochs: 2, batch: 32, losses: [{kd: {weight: 0.7, temperature: 2}}, {labels: {weight: 0.3}}]}").run(pruned, a);
  prune_pass("reduce: {channels: 0.5}").run(by_hand, b);
  DistillOptions options{.train = {.epochs = 2, .batch = 32}, .targets = {.losses = {Kd{.weight = {0.7}, .temperature = {2}}, Labels{.weight = {0.3}}}}};
  distill(by_hand, options, {.curve_prefix = "step1/"}, b);
  EXPECT_TRUE(test::equal_weights(pruned, by_hand));
  EXPECT_EQ(a.curve_values("step1/loss_kd").size(), 2U);
}

TEST(PruneFinetuneEach, OptimiserStateFollowsTheShrunkenParameters) {
  Model model = test::tiny_residual_cnn(1, {.width = 16});
  test::MemoryDataset data = test::synthetic_images(96);
  test::FakeContext a(model, {.train = &data}), b(model, {.train = &data});
  Model pruned = model.clone(), by_hand = model.clone();
  prune_pass("reduce: {channels: 0.5}, steps: 2, finetune_each: {epochs: 1, batch: 32, optimizer: {adam: {lr: 0.01}}}").run(pruned, a);

  Options options;
  options.reduce.channels = 0.5;
  const Base base = measure_base(by_hand);
  OptimizerState state;
  for (int step = 1; step <= 2; ++step) {
    ChannelGroups groups(by_hand);
    auto scores = unit_scores(by_hand, groups, options.importance, b, 0);
    for (const CutDimension& gone : cut(by_hand, groups, choose(by_hand, groups, options, base, step / 2.0, scores))) {
      keep_state(state, gone.weight, gone.dim, gone.kept);
    }
    if (step == 2) {
      EXPECT_EQ(state.at("exp_avg/layer1.0.conv1.weight").sizes(), by_hand.weights.get("layer1.0.conv1.weight").sizes());
    }
    TrainHooks hooks{.curve_prefix = "step" + std::to_string(step) + "/", .optimizer_state = state};
    b.stage(hooks.curve_prefix, by_hand, [&] {
      state = train(by_hand, {.epochs = 1, .batch = 32, .optimizer = Adam{.lr = 0.01}}, supervised_objective(0), hooks, b).optimizer_state;
      return std::string();
    });
  }
  EXPECT_TRUE(test::equal_weights(pruned, by_hand));
}

TEST(PruneDistillEach, ExcludesFinetuneEach) {
  EXPECT_THROW(prune_pass("reduce: {channels: 0.5}, finetune_each: {}, distill_each: {}"), Error);
}

}  // namespace
}  // namespace dsc
