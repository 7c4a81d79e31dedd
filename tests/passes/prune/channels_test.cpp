#include <gtest/gtest.h>

#include "exec/executor.h"
#include "ir/verify.h"
#include "ops/cost.h"
#include "ops/two_ways.h"
#include "passes/builtin.h"
#include "passes/prune/options.h"
#include "support/fake_context.h"
#include "support/tiny_models.h"
#include "support/tiny_transformer.h"

namespace dsc {
namespace {

using prune::Options;

struct Pruned {
  Model model;
  PassResult result;
};

const PassInfo& prune_pass() {
  static const PassTable* table = [] {
    auto* made = new PassTable;
    add_builtin_passes(*made);
    return made;
  }();
  return *table->find("prune");
}

Pruned run_prune(const Model& model, const Options& options, test::FakeData data = {}) {
  test::FakeContext context(model, data);
  Pruned pruned{model.clone(), {}};
  pruned.result = prune_pass().run(pruned.model, &options, context);
  EXPECT_TRUE(verify(pruned.model).empty());
  return pruned;
}

Options reduce_channels(double share) {
  Options options;
  options.reduce.channels = share;
  return options;
}
Options reduce_macs(double share) {
  Options options;
  options.reduce.macs = share;
  return options;
}

TEST(PruneChannels, CutsTheShareOfEachGroupAndItsBatchNorms) {
  Pruned pruned = run_prune(test::tiny_residual_cnn(), reduce_channels(0.5));
  EXPECT_EQ(pruned.model.weights.get("conv1.weight").size(0), 4);
  EXPECT_EQ(pruned.model.weights.get("bn1.running_var").size(0), 4);
  EXPECT_EQ(pruned.model.weights.get("layer1.0.conv2.weight").sizes(), (at::IntArrayRef{4, 4, 3, 3}));
  EXPECT_EQ(pruned.model.weights.get("fc.weight").sizes(), (at::IntArrayRef{4, 8}));
}

TEST(PruneChannels, L1KeepsTheFiltersWithTheLargestNorms) {
  Model model = test::tiny_mlp();
  at::Tensor norms = model.weights.get("fc1.weight").abs().sum(1);
  Pruned pruned = run_prune(model, reduce_channels(0.25));
  at::Tensor expected = std::get<0>(norms.topk(12)).sum();
  EXPECT_NEAR(pruned.model.weights.get("fc1.weight").abs().sum().item<float>(), expected.item<float>(), 1e-3);
}

TEST(PruneChannels, GoesThroughBranchesThatAgree) {
  auto data = test::synthetic_classes(64, {4}, 3);
  Options options = reduce_channels(0.5);
  options.steps = 2;
  options.finetune_each = TrainOptions{};
  options.finetune_each->epochs = 1;
  options.finetune_each->batch = 16;
  options.finetune_each->bf16 = Bf16::off;
  const Pruned pruned = run_prune(test::two_ways(), options, {.train = &data});
  EXPECT_EQ(pruned.model.weights.get("wa").sizes(), (at::IntArrayRef{5, 6}));
  EXPECT_EQ(pruned.model.weights.get("wb").sizes(), (at::IntArrayRef{5, 6}));
  EXPECT_EQ(pruned.model.weights.get("ba").sizes(), at::IntArrayRef{5});
  EXPECT_EQ(pruned.model.weights.get("wo").sizes(), (at::IntArrayRef{3, 5}));
  const auto nodes = pruned.model.graph.nodes();
  EXPECT_EQ(std::ranges::count_if(nodes, [](const Node* node) { return node->is("higher_order.cond"); }), 1);
  EXPECT_EQ(std::ranges::count_if(nodes, [](const Node* node) { return node->op() == "aten.where"; }), 0);
  // Each way is what its formula says.
  const auto& w = pruned.model.weights;
  for (const double sign : {1.0, -1.0}) {
    const at::Tensor x = sign * at::arange(8, at::kFloat).view({2, 4}) / 8, r = at::linear(x, w.get("w")).relu();
    const at::Tensor y = sign > 0 ? at::linear(r, w.get("wa"), w.get("ba")).relu() : at::linear(r, w.get("wb"));
    Executor executor(pruned.model, {});
    EXPECT_TRUE(at::allclose(executor.run({x}).at(0), at::linear(y, w.get("wo")), 1e-5, 1e-6));
  }
}

TEST(PruneChannels, MeetsMacsParameterAndByteTargets) {
  Model model = test::tiny_residual_cnn(1, {.width = 32});
  Cost base = model_cost(model);
  for (prune::Scope scope : {prune::Scope::layer, prune::Scope::isomorphic, prune::Scope::global}) {
    for (double share : {0.3, 0.58, 0.72}) {
      Options by_macs = reduce_macs(share);
      by_macs.scope = scope;
      EXPECT_NEAR(model_cost(run_prune(model, by_macs).model).macs, base.macs * (1 - share), 0.01 * base.macs);
      Options by_parameters;
      by_parameters.reduce.parameters = share;
      by_parameters.scope = scope;
      EXPECT_NEAR(model_cost(run_prune(model, by_parameters).model).parameters, base.parameters * (1 - share), 0.01 * base.parameters);
    }
  }
}

TEST(PruneChannels, StepsEndWhereOneCutEnds) {
  Model model = test::tiny_residual_cnn(1, {.width = 16});
  Options options = reduce_channels(0.5);
  options.steps = 3;
  options.schedule = prune::Pace::cubic;
  Pruned pruned = run_prune(model, options);
  EXPECT_EQ(pruned.model.weights.get("conv1.weight").size(0), 8);
  EXPECT_EQ(pruned.model.weights.get("fc.weight").size(1), 16);
}

TEST(PruneChannels, RoundsAndKeepsAtLeast) {
  Options options = reduce_channels(0.6);
  options.limits.round_to = 4;
  Pruned rounded = run_prune(test::tiny_mlp(), options);
  EXPECT_EQ(rounded.model.weights.get("fc1.weight").size(0), 8);  // 6.4 of 16 rounded up
  options.limits.round_to = 1;
  options.limits.min_channels = 11;
  EXPECT_EQ(run_prune(test::tiny_mlp(), options).model.weights.get("fc1.weight").size(0), 11);
}

// Heads of four channels go by twos.
TEST(PruneChannels, RoundsTheChannelsOfHeads) {
  Options options = reduce_channels(0.4);
  options.kinds = {prune::Kind::channels, prune::Kind::blocks};
  options.limits.round_to = 8;
  Pruned pruned = run_prune(test::tiny_transformer(1, {.layers = 1, .width = 32, .heads = 8}), options);
  EXPECT_EQ(pruned.model.weights.get("encoder.layer.0.attention.query.weight").size(0), 24);  // 4.8 of 8 heads, rounded up to 6
  EXPECT_EQ(pruned.model.weights.get("encoder.layer.0.up.weight").size(0), 40);               // 38.4 of 64
}

TEST(PruneChannels, IgnoredAndOverriddenLayersKeepTheirOwnShare) {
  Options options = reduce_channels(0.5);
  options.ignore = {"fc1"};
  options.layers = {{"fc2", 0.25}};
  Pruned pruned = run_prune(test::tiny_mlp(), options);
  EXPECT_EQ(pruned.model.weights.get("fc1.weight").size(0), 16);
  EXPECT_EQ(pruned.model.weights.get("fc2.weight").size(0), 12);
}

TEST(PruneChannels, EveryImportanceRuns) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(128);
  for (std::size_t i = 0; i < prune::enum_names(prune::Importance{}).size(); ++i) {
    Options options = reduce_channels(0.5);
    options.importance.importance = static_cast<prune::Importance>(i);
    Pruned pruned = run_prune(model, options, {.train = &train});
    EXPECT_EQ(pruned.model.weights.get("conv1.weight").size(0), 4) << prune::enum_names(prune::Importance{})[i];
  }
}

TEST(PruneChannels, BatchNormScaleRemovesTheSmallestGammas) {
  Model model = test::tiny_residual_cnn();
  at::Tensor gamma = at::tensor({1.0, 0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4}, at::kFloat);
  model.weights.set("layer1.0.bn1.weight", gamma);
  Options options = reduce_channels(0.5);
  options.importance.importance = prune::Importance::bn_scale;
  Pruned pruned = run_prune(model, options);
  EXPECT_TRUE(at::equal(pruned.model.weights.get("layer1.0.bn1.weight"), at::tensor({1.0, 0.9, 0.8, 0.7}, at::kFloat)));
}

TEST(PruneChannels, TrainsAfterEachStepAndResumesToTheSameWeights) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(128);
  Options options = reduce_macs(0.5);
  options.steps = 2;
  options.finetune_each = TrainOptions{.epochs = 2, .batch = 32, .validate_every = 0};
  options.recalibrate_batches = 1;
  Pruned whole = run_prune(model, options, {.train = &train});

  test::FakeContext context(model, {.train = &train});
  context.kill_after_saves = 3;
  Model killed = model.clone();
  EXPECT_THROW(prune_pass().run(killed, &options, context), test::Killed);
  context.restart();
  Model resumed = model.clone();
  prune_pass().run(resumed, &options, context);
  for (const std::string& name : whole.model.weights.names()) {
    EXPECT_TRUE(at::equal(whole.model.weights.get(name), resumed.weights.get(name))) << name;
  }
}

// Fewer examples than a batch of recalibration: their statistics, computed here in double precision.
TEST(PruneChannels, RecalibratesWithFewExamples) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(20);
  Options options = reduce_channels(0.5);
  options.recalibrate_batches = 2;
  Pruned pruned = run_prune(model, options, {.train = &train});
  const at::Tensor first = at::conv2d(train.inputs().to(at::kDouble), pruned.model.weights.get("conv1.weight").to(at::kDouble), {}, 1, 1);
  const at::Tensor mean = first.mean({0, 2, 3}), variance = first.var(at::IntArrayRef{0, 2, 3}, true);
  EXPECT_TRUE(at::allclose(pruned.model.weights.get("bn1.running_mean").to(at::kDouble), mean, 1e-4, 1e-6));
  EXPECT_TRUE(at::allclose(pruned.model.weights.get("bn1.running_var").to(at::kDouble), variance, 1e-4, 1e-6));
}

TEST(PruneChannels, UndoesTheStepThatLosesTooMuch) {
  Model model = test::tiny_mlp(1, {.hidden = 32});
  test::MemoryDataset valid = test::synthetic_classes(64);
  Options options = reduce_channels(0.9);
  options.steps = 3;
  options.max_drop = Quantity{1, "pp"};
  test::FakeContext context(model, {.valid = &valid});
  int calls = 0;
  context.metrics = [&](const Model&, const Dataset&, std::int64_t) { return Metrics{{"top1", ++calls < 3 ? 0.9 : 0.5}}; };
  Model pruned = model.clone();
  PassResult result = prune_pass().run(pruned, &options, context);
  EXPECT_EQ(pruned.weights.get("fc1.weight").size(0), 22);  // one of three steps stays
  EXPECT_NE(result.notes.front().find("step 2 of 3"), std::string::npos);
}

// Found before anything is cut or trained.
TEST(PruneChannels, RehearsesWhichMetricDecides) {
  test::MemoryDataset valid = test::synthetic_classes(64);
  Options options = reduce_channels(0.5);
  options.max_drop = Quantity{1, "pp"};
  for (const Metrics& metrics : {Metrics{{"f1", 0}, {"loss", 0}}, Metrics{{"perplexity", 0}}}) {
    Model model = test::tiny_mlp(1, {.hidden = 32});
    test::FakeContext context(model, {.valid = &valid});
    context.rehearsal = true;
    context.metrics = [&](const Model&, const Dataset&, std::int64_t) { return metrics; };
    try {
      prune_pass().run(model, &options, context);
      ADD_FAILURE() << metrics.begin()->first;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::recipe);
      EXPECT_EQ(error.problems().front().place.pointer, "/max_drop");
    }
    EXPECT_EQ(model.weights.get("fc1.weight").size(0), 32);
  }
}

TEST(PruneChannels, ReportsEveryGroupAndWhatIsPinned) {
  Pruned pruned = run_prune(test::tiny_residual_cnn(), reduce_channels(0.5));
  ASSERT_EQ(pruned.result.tables.size(), 1U);
  const Table& table = pruned.result.tables[0];
  EXPECT_EQ(table.rows.size(), 4U);
  EXPECT_EQ(table.rows[0][0], "conv1");
  EXPECT_EQ(table.rows[0][2], "8");
  EXPECT_EQ(table.rows[0][3], "4");
  EXPECT_TRUE(std::ranges::any_of(pruned.result.notes, [](const std::string& note) { return note.find("output of the model") != std::string::npos; }));
}

TEST(PruneChannels, CuttingNothingIsAnErrorUnlessAllowed) {
  Options options = reduce_channels(0.01);
  EXPECT_THROW(run_prune(test::tiny_mlp(), options), Error);
  options.allow_empty = true;
  EXPECT_FALSE(run_prune(test::tiny_mlp(), options).result.changed);
}

TEST(PruneCheck, NamesPatternsThatMatchNothingAndTargetsOutOfReach) {
  Model model = test::tiny_residual_cnn();
  Options options = reduce_macs(0.5);
  EXPECT_TRUE(prune_pass().check(model, &options).empty());
  options.ignore = {"layer9.*"};
  options.layers = {{"layer1.0.conv9", 0.5}};
  EXPECT_EQ(prune_pass().check(model, &options).size(), 2U);
  options.ignore.clear();
  options.layers.clear();
  options.reduce.macs = 0.98;
  options.limits.min_channels = 4;
  std::vector<Problem> problems = prune_pass().check(model, &options);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].message.find("cannot be reached"), std::string::npos);
  options.ignore = {"**"};
  EXPECT_EQ(prune_pass().check(model, &options).size(), 1U);
}

}  // namespace
}  // namespace dsc
