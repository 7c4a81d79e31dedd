#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "passes/builtin.h"
#include "passes/prune/options.h"
#include "passes/prune/sparsify.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_models.h"

namespace dsc {

PassInfo make_prune_channels();

namespace {

using namespace prune;

// Channels 1 and 5 of fc1, as the units of a removal.
Removal two_units(const ChannelGroups& groups) {
  Removal units = groups.nothing();
  for (std::size_t i : {1U, 5U}) units[static_cast<std::size_t>(groups.groups().front().units[i])] = 1;
  return units;
}

struct Gradients {
  at::Tensor fc1, fc1_bias, fc2;
};

// What a penalty adds to gradients that are zero.
Gradients added(const Model& model, const Penalty& penalty, std::int64_t step, std::int64_t steps) {
  ChannelGroups groups(model);
  Executor executor(model, {.training = true});
  for (const auto& name : executor.parameter_names()) executor.weight(name).mutable_grad() = at::zeros_like(executor.weight(name));
  UnitPenalty(groups, two_units(groups)).add_gradient(executor, penalty, step, steps);
  return {executor.weight("fc1.weight").grad(), executor.weight("fc1.bias").grad(), executor.weight("fc2.weight").grad()};
}

// factor(unit) * weight on the two channels, zero elsewhere.
void expect_factors(const Model& model, const Gradients& gradients, const std::function<double(std::int64_t)>& factor) {
  at::Tensor fc1 = model.weights.get("fc1.weight").detach(), bias = model.weights.get("fc1.bias").detach(), fc2 = model.weights.get("fc2.weight").detach();
  for (std::int64_t unit = 0; unit < 16; ++unit) {
    double f = unit == 1 || unit == 5 ? factor(unit) : 0;
    for (std::int64_t k = 0; k < 8; ++k) EXPECT_NEAR(gradients.fc1[unit][k].item<double>(), f * fc1[unit][k].item<double>(), 1e-6);
    EXPECT_NEAR(gradients.fc1_bias[unit].item<double>(), f * bias[unit].item<double>(), 1e-6);
    for (std::int64_t k = 0; k < 16; ++k) EXPECT_NEAR(gradients.fc2[k][unit].item<double>(), f * fc2[k][unit].item<double>(), 1e-6);
  }
}

TEST(PruneSparsify, GrowingPenaltyRisesInSteps) {
  Model model = test::tiny_mlp();
  model.weights.set("fc1.bias", test::noise({16}, 5));
  Growing growing{.strength = 0.5, .every = 10};
  expect_factors(model, added(model, growing, 0, 100), [](std::int64_t) { return 0.05; });
  expect_factors(model, added(model, growing, 39, 100), [](std::int64_t) { return 0.2; });
  expect_factors(model, added(model, growing, 99, 100), [](std::int64_t) { return 0.5; });
}

TEST(PruneSparsify, GroupLassoIsTheGradientOfTheNorms) {
  Model model = test::tiny_mlp();
  model.weights.set("fc1.bias", test::noise({16}, 5));
  at::Tensor fc1 = model.weights.get("fc1.weight"), bias = model.weights.get("fc1.bias"), fc2 = model.weights.get("fc2.weight");
  expect_factors(model, added(model, GroupLasso{.strength = 0.01}, 3, 10), [&](std::int64_t unit) {
    double squares = bias[unit].square().item<double>();
    for (std::int64_t k = 0; k < 8; ++k) squares += fc1[unit][k].square().item<double>();
    for (std::int64_t k = 0; k < 16; ++k) squares += fc2[k][unit].square().item<double>();
    return 0.01 * std::sqrt(8.0 + 1 + 16) / std::sqrt(squares);
  });
}

const char* const kCommon = "reduce: {channels: 0.5}, normalize: mean, ";

TEST(PruneSparsify, TheCutAfterItLosesLess) {
  Model model = test::tiny_mlp(1, {.hidden = 32});
  test::MemoryDataset train = test::synthetic_classes(256), valid = test::synthetic_classes(200, {8}, 4, 7, 1);
  test::FakeContext prepare(model, {.train = &train});
  ::dsc::train(model, {.epochs = 10, .batch = 32, .optimizer = Adam{.lr = 0.01}, .validate_every = 0}, supervised_objective(0), {}, prepare);
  auto loss_after = [&](const std::string& sparsify) {
    test::FakeContext context(model, {.train = &train, .valid = &valid});
    Model pruned = model.clone();
    test::ConfiguredPass(make_prune_channels(), "{" + std::string(kCommon) + sparsify + "}").run(pruned, context);
    EXPECT_EQ(pruned.weights.get("fc1.weight").size(0), 16);
    if (!sparsify.empty()) {
      auto norms = context.curve_values("sparsify/doomed_norm");
      EXPECT_LT(norms.back(), 0.5 * norms.front()) << sparsify;
    }
    return test::evaluate_classifier(pruned, valid).at("loss");
  };
  double at_once = loss_after("");
  EXPECT_LT(loss_after("sparsify: {method: {growing: {strength: 3}}, epochs: 20, batch: 32, optimizer: {sgd: {lr: 0.05}}}"), at_once);
  EXPECT_LT(loss_after("sparsify: {method: {group_lasso: {strength: 0.02}}, epochs: 20, batch: 32, optimizer: {sgd: {lr: 0.05}}}"), at_once);
  EXPECT_LT(loss_after("sparsify: {method: {growing: {strength: 3}}, epochs: 20, batch: 32, optimizer: {adam: {lr: 0.01}}, losses: [{kd: {weight: "
                       "0.5}}, {labels: {weight: 0.5}}]}"),
            at_once);
}

TEST(PruneSparsify, ResumesToTheSameWeights) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(128);
  test::ConfiguredPass pass(make_prune_channels(), "{reduce: {macs: 0.5}, sparsify: {epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.02}}}, "
                                                   "distill_each: {epochs: 2, batch: 32, losses: [kd, labels]}}");
  test::FakeContext uninterrupted(model, {.train = &train}), context(model, {.train = &train});
  Model whole = model.clone(), killed = model.clone(), resumed = model.clone();
  pass.run(whole, uninterrupted);
  for (int place = 0; place < 2; ++place) {  // in the sparse training, then in the distillation
    context.restart();
    context.kill_after_saves = 2;
    EXPECT_THROW(pass.run(killed, context), test::Killed);
    killed = model.clone();
  }
  context.restart();
  pass.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
}

}  // namespace
}  // namespace dsc
