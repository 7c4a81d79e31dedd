// A training on several ranks is the training of one process.
#include "train/parallel.h"

#include <gtest/gtest.h>

#include "support/rank_threads.h"
#include "support/ranked_context.h"
#include "support/tiny_models.h"
#include "train/distill/distillation.h"
#include "train/train.h"

namespace dsc {
namespace {

using test::RankedFakeContext;

constexpr double kSameNumbers = 1e-5;

class ParallelTraining : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  test::MemoryDataset data = test::synthetic_classes(250), valid = test::synthetic_classes(100, {8}, 4, 7, 1);
  test::MemoryDataset images = test::synthetic_images(96), valid_images = test::synthetic_images(50, 1);
  TrainOptions options = [] {
    TrainOptions o;
    o.epochs = 1;
    o.batch = 31;  // no number of ranks divides it
    o.optimizer = Sgd{.lr = 0.05};
    o.bf16 = Bf16::off;
    return o;
  }();
  test::Meeting meeting = test::Meeting::memory;
  using Body = std::function<void(Model&, PassContext&)>;

  // The model that each rank ends with; one rank: a process by itself.
  std::vector<Model> trained(const Model& start, test::FakeData data, std::int64_t size, const Body& body) const {
    std::vector<Model> models;
    for (std::int64_t rank = 0; rank < size; ++rank) models.push_back(start.clone());
    if (size == 1) {
      test::FakeContext context(start, data);
      body(models[0], context);
      return models;
    }
    test::expect_no_errors(test::run_ranks(
        size,
        [&](Ranks& ranks) {
          RankedFakeContext context(start, data, ranks);
          body(models[static_cast<std::size_t>(ranks.rank())], context);
        },
        meeting));
    return models;
  }

  void expect_same_training(const Model& start, test::FakeData data, const Body& body, double tolerance = kSameNumbers) const {
    const auto alone = trained(start, data, 1, body);
    EXPECT_GT(test::largest_difference(start, alone[0]), 100 * tolerance) << "it trains";
    for (const std::int64_t size : {2, 3}) {
      const auto together = trained(start, data, size, body);
      EXPECT_LT(test::largest_difference(alone[0], together[0]), tolerance) << size << " ranks";
      for (const auto& model : together) EXPECT_TRUE(test::equal_weights(model, together[0]));
    }
  }

  Body supervised() const {
    return [this](Model& model, PassContext& context) { train(model, options, supervised_objective(options.label_smoothing), {}, context); };
  }
};

TEST_F(ParallelTraining, EqualsOneProcess) { expect_same_training(test::tiny_mlp(), {.train = &data, .valid = &valid}, supervised()); }

TEST_F(ParallelTraining, EqualsOneProcessWithBatchNorm) { expect_same_training(test::tiny_residual_cnn(), {.train = &images, .valid = &valid_images}, supervised()); }

TEST_F(ParallelTraining, EqualsOneProcessWithBatchNormInContiguousMemory) {
  options.channels_last = false;
  expect_same_training(test::tiny_residual_cnn(), {.train = &images, .valid = &valid_images}, supervised());
}

TEST_F(ParallelTraining, EqualsOneProcessWithEveryOptionOfTheLoop) {
  options.accumulate = 3;
  options.clip_norm = 0.5;
  options.weight_ema = 0.9;
  options.label_smoothing = 0.1;
  options.epochs = 2;
  options.optimizer = AdamW{.lr = 1e-3};
  expect_same_training(test::tiny_mlp(), {.train = &data, .valid = &valid}, supervised());
}

// A mean over labelled examples, of which the ranks have different numbers.
TEST_F(ParallelTraining, ExamplesWithoutLabelsCountNowhere) {
  auto target = data.target().clone();
  for (std::int64_t i = 0; i < target.size(0); ++i) {
    if (i % 5 != 0) target[i] = -100;
  }
  test::MemoryDataset some(data.inputs(), target);
  expect_same_training(test::tiny_mlp(), {.train = &some, .valid = &valid}, supervised());
}

TEST_F(ParallelTraining, ASmallerOnlyBatchIsCutToo) {
  options.batch = 1000;
  options.epochs = 4;
  expect_same_training(test::tiny_mlp(), {.train = &data, .valid = &valid}, supervised());
}

// Correlations over examples, parameters of the objective, and inner values: none is a mean of the ranks' parts.
TEST_F(ParallelTraining, EqualsOneProcessWhenDistilling) {
  const auto teacher = test::tiny_residual_cnn(5, {.width = 12});
  Hidden hidden;
  hidden.map.layers = {{"layer2.0.bn2", "layer2.0.bn2"}};
  DistillOptions distilling{.train = options, .targets = {.losses = {Labels{}, Kd{}, Dist{}, hidden}, .weighting = Weighting::uncertainty}};
  distilling.train.epochs = 2;
  const auto student = test::tiny_residual_cnn(1, {.width = 8});
  const auto body = [&](Model& model, PassContext& context) {
    dynamic_cast<test::FakeContext&>(context).teacher_model = std::make_unique<Model>(teacher.clone());
    distill(model, distilling, {}, context);
  };
  expect_same_training(student, {.train = &images, .valid = &valid_images}, body);
}

// Gradients travel while backward computes others, between the sums of batch statistics, which all ranks wait for.
TEST_F(ParallelTraining, EqualsOneProcessOverConnections) {
  meeting = test::Meeting::connections;
  options.accumulate = 2;
  options.epochs = 2;
  const test::FakeData sets{.train = &images, .valid = &valid_images};
  const auto cnn = test::tiny_residual_cnn();
  expect_same_training(cnn, sets, supervised());
  EXPECT_TRUE(test::equal_weights(trained(cnn, sets, 3, supervised())[0], trained(cnn, sets, 3, supervised())[0]));
}

TEST_F(ParallelTraining, GivesTheSameBytesEachTime) {
  const test::FakeData sets{.train = &data, .valid = &valid};
  const auto cnn = test::tiny_residual_cnn();
  const test::FakeData pictures{.train = &images, .valid = &valid_images};
  EXPECT_TRUE(test::equal_weights(trained(cnn, pictures, 2, supervised())[0], trained(cnn, pictures, 2, supervised())[0]));
  EXPECT_TRUE(test::equal_weights(trained(test::tiny_mlp(), sets, 3, supervised())[0], trained(test::tiny_mlp(), sets, 3, supervised())[0]));
}

TEST_F(ParallelTraining, ResumesToTheSameBytes) {
  options.epochs = 3;
  const auto start = test::tiny_residual_cnn();
  const test::FakeData sets{.train = &images, .valid = &valid_images};
  const auto whole = trained(start, sets, 2, supervised());
  std::vector<Model> models;
  for (int i = 0; i < 2; ++i) models.push_back(start.clone());
  // Contexts outlive a group of ranks, as checkpoints do.
  class Context : public test::FakeContext, public RankedContext {
   public:
    using FakeContext::FakeContext;
    Ranks& ranks() override { return *now; }
    std::int64_t processes() const override { return now->size(); }
    Ranks* now = nullptr;
  };
  std::vector<std::unique_ptr<Context>> contexts;
  for (int i = 0; i < 2; ++i) contexts.push_back(std::make_unique<Context>(start, sets));
  for (const bool killed : {true, false}) {
    const auto errors = test::run_ranks(2, [&](Ranks& ranks) {
      const auto rank = static_cast<std::size_t>(ranks.rank());
      contexts[rank]->now = &ranks;
      if (killed) contexts[rank]->kill_after_saves = 2;
      models[rank] = start.clone();
      try {
        supervised()(models[rank], *contexts[rank]);
      } catch (const test::Killed&) {
        contexts[rank]->restart();
      }
    });
    test::expect_no_errors(errors);
  }
  EXPECT_TRUE(test::equal_weights(models[0], whole[0]));
  EXPECT_TRUE(test::equal_weights(models[1], whole[0]));
}

TEST_F(ParallelTraining, AWeightThatDiffersIsAnError) {
  const auto start = test::tiny_mlp();
  const auto errors = test::run_ranks(2, [&](Ranks& ranks) {
    auto model = start.clone();
    if (ranks.rank() == 1) model.weights.get("fc3.bias")[0] += 1e-3;
    RankedFakeContext context(start, {.train = &data, .valid = &valid}, ranks);
    supervised()(model, context);
  });
  for (const auto& error : errors) EXPECT_TRUE(test::contains(error, "after epoch 1 the weights of rank 1 differ from those of rank 0")) << error;
}

TEST_F(ParallelTraining, WhatCannotBeCutIsRefused) {
  const auto model = test::tiny_mlp();
  EXPECT_TRUE(check_parallel(model, 31, 2).empty());
  EXPECT_TRUE(check_parallel(model, 1, 1).empty());
  const auto few = check_parallel(model, 3, 4);
  ASSERT_EQ(few.size(), 1U);
  EXPECT_EQ(few[0].message, "batches of 3 examples cannot be cut into parts for 4 processes");

  test::ModelBuilder build(1);
  auto* x = build.linear(build.input("x", {8}), "fc", 8, 4);
  auto mixed = build.finish(x);
  Node* sum = mixed.graph.insert(nullptr, "aten.sum.default", {{"self", x}}, {{"total", TensorType{.dtype = ScalarType::f32}}});
  const auto mixing = check_parallel(mixed, 31, 2);
  ASSERT_EQ(mixing.size(), 1U);
  EXPECT_TRUE(test::contains(mixing[0].message, "%" + sum->name() + " (aten.sum) mixes the examples of a batch")) << mixing[0].message;
}

}  // namespace
}  // namespace dsc
