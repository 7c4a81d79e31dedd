#include <gtest/gtest.h>

#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_models.h"

namespace dsc {

PassInfo make_finetune_supervised();

namespace {

using test::ConfiguredPass;
using test::FakeContext;

class Finetune : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  test::MemoryDataset data = test::synthetic_classes(256), valid = test::synthetic_classes(200, {8}, 4, 7, 1);
  Model model = test::tiny_mlp();

  static ConfiguredPass pass(const std::string& yaml) { return {make_finetune_supervised(), yaml}; }
};

TEST_F(Finetune, ImprovesTheModelAndReportsIt) {
  FakeContext context(model, {.train = &data, .valid = &valid});
  const double before = test::evaluate_classifier(model, valid).at("top1");
  const auto result = pass("{epochs: 5, batch: 32, optimizer: {sgd: {lr: 0.05}}, schedule: cosine}").run(model, context);
  EXPECT_TRUE(result.changed);
  EXPECT_GT(test::evaluate_classifier(model, valid).at("top1"), before + 0.2);
  EXPECT_EQ(result.statistics.at(0).name, "train_steps");
  EXPECT_EQ(result.statistics.at(0).value, 40);
  EXPECT_EQ(context.stages, (std::vector<std::string>{"train"}));
}

TEST_F(Finetune, TakesEveryOptimizerAndSchedule) {
  for (const char* yaml : {"{epochs: 1, optimizer: adam, schedule: constant}",
                           "{epochs: 1, optimizer: {adamw: {lr: 0.01, weight_decay: 0.1, decay_1d: false}}, schedule: {linear: {final_fraction: 0.1}}, warmup_epochs: 0.5}",
                           "{epochs: 1, optimizer: sgd, schedule: {step: {at: [0.5], factor: 0.2}}, weight_ema: 0.9, clip_norm: 1}",
                           "{epochs: 1, schedule: one_cycle, label_smoothing: 0.1, accumulate: 2}"}) {
    auto copy = model.clone();
    FakeContext context(copy, {.train = &data});
    EXPECT_TRUE(pass(yaml).run(copy, context).changed) << yaml;
    EXPECT_FALSE(test::equal_weights(copy, model)) << yaml;
  }
}

TEST_F(Finetune, StagesAndAdaptersResumeToTheSameBytes) {
  for (const char* yaml : {"{epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.02}}, staged: {order: deep_to_shallow, stages: 3}}",
                           "{epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.02}}, lora: {rank: 2}}"}) {
    const auto configured = pass(yaml);
    auto whole = model.clone(), killed = model.clone(), resumed = model.clone();
    FakeContext uninterrupted(model, {.train = &data, .valid = &valid}), context(model, {.train = &data, .valid = &valid});
    configured.run(whole, uninterrupted);
    context.kill_after_saves = 2;
    EXPECT_THROW(configured.run(killed, context), test::Killed);
    context.restart();
    configured.run(resumed, context);
    EXPECT_TRUE(test::equal_weights(whole, resumed)) << yaml;
    EXPECT_FALSE(test::equal_weights(whole, model)) << yaml;
    EXPECT_EQ(whole.weights.names(), model.weights.names()) << yaml;
  }
}

TEST_F(Finetune, ResumesBetweenEpochsToTheSameBytes) {
  const auto configured = pass("{epochs: 3, batch: 32, optimizer: adamw}");
  auto whole = model.clone(), killed = model.clone(), resumed = model.clone();
  FakeContext uninterrupted(model, {.train = &data}), context(model, {.train = &data});
  configured.run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(configured.run(killed, context), test::Killed);
  context.restart();
  configured.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
}

TEST_F(Finetune, ReportsAgainWhenItsStageWasFinishedBefore) {
  const auto configured = pass("{epochs: 1, batch: 32}");
  FakeContext context(model, {.train = &data, .valid = &valid});
  auto first = model.clone(), second = model.clone();
  const auto a = configured.run(first, context);
  context.restart();
  const auto b = configured.run(second, context);
  EXPECT_TRUE(test::equal_weights(first, second));
  EXPECT_EQ(context.cancel_checks, 0);
  ASSERT_EQ(a.statistics.size(), b.statistics.size());
  for (std::size_t i = 0; i < a.statistics.size(); ++i) EXPECT_EQ(a.statistics[i].value, b.statistics[i].value);
}

TEST_F(Finetune, FreezesSelectedModulesOrAllOthers) {
  for (const char* yaml : {"{epochs: 1, batch: 32, freeze: [\"fc[12]\"]}", "{epochs: 1, batch: 32, train_only: [fc3]}"}) {
    auto copy = model.clone();
    FakeContext context(copy, {.train = &data});
    const auto result = pass(yaml).run(copy, context);
    for (const auto& name : copy.weights.names()) {
      EXPECT_EQ(copy.weights.get(name).equal(model.weights.get(name)), !name.starts_with("fc3.")) << name;
    }
    EXPECT_EQ(result.notes, (std::vector<std::string>{"4 parameters were frozen"}));
  }
}

TEST_F(Finetune, SelectorsThatMatchNothingAreProblems) {
  const auto configured = pass("{freeze: [fc1, fc9]}");
  ASSERT_EQ(configured.check(model).size(), 1);
  EXPECT_EQ(configured.check(model)[0].place.pointer, "/freeze/1");
  FakeContext context(model, {.train = &data});
  EXPECT_THROW(configured.run(model, context), Error);
  EXPECT_EQ(pass("{freeze: [\"**\"]}").check(model).size(), 1);
  EXPECT_TRUE(pass("{freeze: [fc1]}").check(model).empty());
}

TEST_F(Finetune, RefusesContradictoryOptions) {
  for (const char* yaml : {"{freeze: [fc1], train_only: [fc2]}", "{schedule: one_cycle, warmup_epochs: 0.5}", "{epochs: 1, warmup_epochs: 2}",
                           "{keep: best, validate_every: 0}", "{optimizer: {sgd: {momentum: 0, nesterov: true}}}", "{epochs: -1}", "{lr: 0.1}"}) {
    EXPECT_THROW(pass(yaml), Error) << yaml;
  }
}

TEST_F(Finetune, ZeroEpochsChangeNothing) {
  const auto before = model.clone();
  FakeContext context(model, {.train = &data});
  EXPECT_FALSE(pass("{epochs: 0}").run(model, context).changed);
  EXPECT_TRUE(test::equal_weights(model, before));
}

}  // namespace
}  // namespace dsc
