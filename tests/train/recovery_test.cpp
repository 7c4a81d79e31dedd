// Staged recovery and low-rank adapters.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "support/fake_context.h"
#include "support/tiny_models.h"
#include "train/lora.h"
#include "train/staged.h"

namespace dsc {
namespace {

using test::FakeContext;

using Names = std::vector<std::vector<std::string>>;

TEST(Staged, LayersJoinInTheOrderOfTheGraph) {
  const Model model = test::tiny_mlp();
  const Names forward = {{"fc1.weight", "fc1.bias"}, {"fc2.weight", "fc2.bias"}, {"fc3.weight", "fc3.bias"}};
  EXPECT_EQ(parameter_stages(model, {.stages = 3}, {}), forward);
  EXPECT_EQ(parameter_stages(model, {.order = StageOrder::deep_to_shallow, .stages = 9}, {}), (Names{forward[2], forward[1], forward[0]}));
  EXPECT_EQ(parameter_stages(model, {.stages = 2}, {"fc1.weight", "fc1.bias"}), (Names{forward[1], forward[2]}));
  // Layers within the innermost repeated module stay together.
  const auto cnn = parameter_stages(test::tiny_residual_cnn(), {.stages = 100}, {});
  ASSERT_EQ(cnn.size(), 7U);  // conv1, bn1, layer1.0, layer2.0, its downsample.0 and downsample.1, fc
  EXPECT_EQ(cnn[2].size(), 6U);
}

TEST(Staged, RatesAndDecayFollowTheFormulas) {
  const StagedOptions options{.stages = 3, .share = 0.5, .start_lr_fraction = 0.2, .decay_factor = 2, .decay_limit = 5};
  EXPECT_EQ(open_stages(options, 3, 0, 100), 1);
  EXPECT_EQ(open_stages(options, 3, 25, 100), 2);
  EXPECT_EQ(open_stages(options, 3, 50, 100), 3);
  EXPECT_NEAR(staged_lr_factor(options, 0, 100), 0.2, 1e-12);
  EXPECT_NEAR(staged_lr_factor(options, 25, 100), 0.6, 1e-12);
  EXPECT_EQ(staged_lr_factor(options, 60, 100), 1);
  EXPECT_EQ(staged_decay_factor(options, {}), 1);
  EXPECT_EQ(staged_decay_factor(options, {3, 2, 2.5}), 2);           // better, worse
  EXPECT_EQ(staged_decay_factor(options, {1, 2, 3, 4}), 5);          // limited
  EXPECT_EQ(staged_decay_factor(options, {1, 2, 1, 0.5}), 1);        // taken back, no further
}

class Recovery : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  test::MemoryDataset data = test::synthetic_classes(128), valid = test::synthetic_classes(64, {8}, 4, 7, 1);
  const TrainOptions options{.epochs = 2, .batch = 32, .optimizer = Sgd{.lr = 0.05}};
};

TEST_F(Recovery, WaitingLayersStayAsTheyAre) {
  Model model = test::tiny_mlp();
  FakeContext context(model, {.train = &data, .valid = &valid});
  TrainHooks hooks;
  add_stages(model, {.stages = 3, .share = 1}, hooks);
  std::vector<bool> moved;
  hooks.after_epoch = [&](Executor& executor, std::int64_t) {
    moved.push_back(!executor.weight("fc3.weight").detach().equal(context.teacher_model->weights.get("fc3.weight")));
    return std::map<std::string, double>{};
  };
  train(model, options, supervised_objective(0), hooks, context);
  EXPECT_EQ(moved, (std::vector<bool>{false, false}));  // of 8 steps, stages join at 4 and at 8
  EXPECT_FALSE(model.weights.get("fc2.weight").equal(context.teacher_model->weights.get("fc2.weight")));
  EXPECT_EQ(context.curve_values("weight_decay_factor").size(), 2U);
}

TEST_F(Recovery, StagedTrainingResumesToTheSameBytes) {
  const Model start = test::tiny_mlp();
  const auto run = [&](Model& model, FakeContext& context) {
    TrainHooks hooks;
    add_stages(model, {.stages = 3}, hooks);
    context.stage("train", model, [&] { return to_text(train(model, {.epochs = 4, .batch = 32, .optimizer = Sgd{.lr = 0.05}}, supervised_objective(0), hooks, context)); });
  };
  Model whole = start.clone(), killed = start.clone(), resumed = start.clone();
  FakeContext uninterrupted(start, {.train = &data, .valid = &valid}), context(start, {.train = &data, .valid = &valid});
  run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(run(killed, context), test::Killed);
  context.restart();
  run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
}

at::Tensor output_of(const Model& model, const at::Tensor& x) {
  c10::NoGradGuard no_grad;
  return Executor(model, {}).run({x}).at(0);
}

void expect_folds_exactly(const Model& model, const at::Tensor& x) {
  Model adapted = model.clone(), folded = model.clone();
  const auto adapters = add_adapters(adapted, {.rank = 3, .alpha = 6}, 1);
  EXPECT_FALSE(adapters.empty());
  EXPECT_LE((output_of(adapted, x) - output_of(model, x)).abs().max().item<double>(), 1e-6);  // B is zero
  for (const auto& adapter : adapters) adapted.weights.set(adapter.b, test::noise(adapted.weights.get(adapter.b).sizes().vec(), 5, 0.1));
  fold_adapters(adapted, adapters, folded);
  const auto unfolded = output_of(adapted, x), once = output_of(folded, x);
  EXPECT_GT((unfolded - output_of(model, x)).abs().max().item<double>(), 1e-3);
  EXPECT_LE((unfolded - once).abs().max().item<double>(), 1e-5 * unfolded.abs().max().item<double>());
  EXPECT_EQ(print_graph(folded.graph), print_graph(model.graph));
  EXPECT_EQ(folded.weights.names(), model.weights.names());
}

TEST(Lora, FoldsToTheSameOutputs) {
  expect_folds_exactly(test::tiny_mlp(), test::noise({5, 8}, 1));
  expect_folds_exactly(test::tiny_residual_cnn(), test::noise({5, 3, 8, 8}, 1));  // strides, 1x1 shortcuts, paddings
}

TEST_F(Recovery, AdaptersTrainAndFold) {
  Model model = test::tiny_mlp();
  FakeContext context(model, {.train = &data, .valid = &valid});
  const double before = test::evaluate_classifier(model, data).at("loss");
  train_adapters(model, {.rank = 2, .select = {"fc2"}, .also = {"fc3"}}, options, supervised_objective(0), {}, context);
  const Model& base = *context.teacher_model;
  EXPECT_LT(test::evaluate_classifier(model, data).at("loss"), before);
  EXPECT_TRUE(model.weights.get("fc1.weight").equal(base.weights.get("fc1.weight")));
  EXPECT_FALSE(model.weights.get("fc3.bias").equal(base.weights.get("fc3.bias")));
  const auto change = (model.weights.get("fc2.weight") - base.weights.get("fc2.weight")).to(at::kDouble);
  EXPECT_EQ((std::get<1>(at::linalg_svd(change)) > 1e-6).sum().item<std::int64_t>(), 2);  // its rank
  EXPECT_EQ(model.weights.names(), base.weights.names());
}

TEST(Lora, SaysWhatMatchesNothing) {
  EXPECT_EQ(check_lora(test::tiny_mlp(), {.select = {"fc1", "relu"}, .also = {"nothing"}}).size(), 2U);
  EXPECT_TRUE(check_lora(test::tiny_residual_cnn(), {.select = {"layer1.**"}}).empty());
}

}  // namespace
}  // namespace dsc
