#include "train/train.h"

#include <gtest/gtest.h>

#include <c10/util/Exception.h>

#include <new>

#include "dscompress/error.h"
#include "exec/native_bf16.h"
#include "support/error_of.h"
#include "support/fake_context.h"
#include "support/tiny_models.h"
#include "train/forecast.h"
#include "train/trainer.h"

namespace dsc {
namespace {

using test::error_of, test::FakeContext;

class Train : public testing::Test {
 protected:
  // Networks this small only lose by sharing their work.
  static void SetUpTestSuite() { set_threads(1); }

  // 256 examples, batches of 32: 8 steps an epoch.
  test::MemoryDataset data = test::synthetic_classes(256), valid = test::synthetic_classes(200, {8}, 4, 7, 1);
  test::MemoryDataset images = test::synthetic_images(128), valid_images = test::synthetic_images(128, 1);
  TrainOptions options = [] {
    TrainOptions o;
    o.epochs = 3;
    o.batch = 32;
    o.optimizer = Sgd{.lr = 0.05};
    return o;
  }();

  TrainResult run(Model& model, FakeContext& context, const TrainHooks& hooks = {}) {
    return train(model, options, supervised_objective(options.label_smoothing), hooks, context);
  }
};

// Share of examples whose nearest class mean (of the training data) is their class.
double nearest_mean_accuracy(const test::MemoryDataset& train_data, const test::MemoryDataset& valid_data) {
  std::vector<at::Tensor> means;
  for (std::int64_t c = 0; c < 4; ++c) means.push_back(train_data.inputs().index({train_data.target().eq(c)}).flatten(1).mean(0));
  const auto nearest = at::cdist(valid_data.inputs().flatten(1), at::stack(means)).argmin(1);
  return nearest.eq(valid_data.target()).to(at::kDouble).mean().item<double>();
}

TEST_F(Train, LearnsAsWellAsNearestMeans) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data, .valid = &valid});
  const double before = test::evaluate_classifier(model, valid).at("top1");
  options.epochs = 8;
  const auto result = run(model, context);
  const double bound = nearest_mean_accuracy(data, valid) - 0.05;
  EXPECT_GE(result.valid.at("top1"), bound) << "before: " << before;
  EXPECT_LT(before, bound);
  EXPECT_EQ(result.valid.at("top1"), test::evaluate_classifier(model, valid).at("top1"));
  const auto losses = context.curve_values("train_loss");
  ASSERT_EQ(losses.size(), 8);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  EXPECT_EQ(losses.back(), result.final_loss);
  EXPECT_EQ(result.steps, 64);
  EXPECT_EQ(context.curve_values("valid_top1").size(), 8);
  EXPECT_GE(context.cancel_checks, 64);
  EXPECT_EQ(context.progress_calls.back(), (std::pair<std::int64_t, std::int64_t>{64, 64}));
}

TEST_F(Train, LearnsImagesWithBatchNormInBf16) {
  auto model = test::tiny_residual_cnn();
  FakeContext context(model, {.train = &images, .valid = &valid_images});
  options.bf16 = Bf16::on;
  options.epochs = 12;
  const auto statistics = model.weights.get("bn1.running_mean").clone();
  const double before = test::evaluate_classifier(model, valid_images).at("loss");
  const auto result = run(model, context);
  EXPECT_LT(result.valid.at("loss"), 0.7 * before);
  EXPECT_GT(result.valid.at("top1"), 0.6);
  EXPECT_FALSE(model.weights.get("bn1.running_mean").equal(statistics));
  for (const auto& name : model.weights.names()) {
    EXPECT_EQ(model.weights.get(name).scalar_type(), at::kFloat);
    EXPECT_TRUE(model.weights.get(name).is_contiguous());
    EXPECT_FALSE(model.weights.get(name).requires_grad());
  }
}

TEST_F(Train, GivesTheSameBytesTwiceWithAnyNumberOfWorkers) {
  auto first = test::tiny_residual_cnn(), second = first.clone();
  FakeContext a(first, {.train = &images}), b(first, {.train = &images});
  run(first, a);
  options.workers = 3;
  run(second, b);
  EXPECT_TRUE(test::equal_weights(first, second));
  EXPECT_EQ(a.curve_values("train_loss"), b.curve_values("train_loss"));
}

TEST_F(Train, DependsOnTheSeed) {
  auto first = test::tiny_mlp(), second = first.clone();
  FakeContext a(first, {.train = &data}, 1), b(first, {.train = &data}, 2);
  run(first, a);
  run(second, b);
  EXPECT_FALSE(test::equal_weights(first, second));
}

// --- resume ---

struct ResumeCase {
  const char* name;
  void (*change)(TrainOptions&);
};
void PrintTo(const ResumeCase& c, std::ostream* out) { *out << c.name; }

class TrainResume : public testing::TestWithParam<ResumeCase> {
 protected:
  static void SetUpTestSuite() { set_threads(1); }
};

TEST_P(TrainResume, AfterAKillAtAnyEpochGivesTheSameBytes) {
  auto data = test::synthetic_images(96), valid = test::synthetic_images(64, 1);
  TrainOptions options;
  options.epochs = 3.5;
  options.batch = 16;
  options.optimizer = Sgd{.lr = 0.05};
  GetParam().change(options);
  const auto start = test::tiny_residual_cnn();
  const auto objective = supervised_objective(0.1);

  auto whole = start.clone();
  FakeContext uninterrupted(start, {.train = &data, .valid = &valid});
  const auto expected = train(whole, options, objective, {}, uninterrupted);
  ASSERT_EQ(uninterrupted.saves, expected.stopped_early ? 3 : 4);

  for (int kill = 1; kill <= uninterrupted.saves; ++kill) {
    FakeContext context(start, {.train = &data, .valid = &valid});
    context.kill_after_saves = kill;
    auto killed = start.clone(), resumed = start.clone();
    EXPECT_THROW(train(killed, options, objective, {}, context), test::Killed);
    context.restart();
    const auto result = train(resumed, options, objective, {}, context);
    EXPECT_EQ(context.restores, 1);
    EXPECT_TRUE(test::equal_weights(resumed, whole)) << "killed after save " << kill;
    EXPECT_EQ(result.valid, expected.valid);
    EXPECT_EQ(result.final_loss, expected.final_loss);
    EXPECT_EQ(result.steps, expected.steps);
    EXPECT_EQ(result.best_epoch, expected.best_epoch);
    EXPECT_EQ(context.curve_values("train_loss"), uninterrupted.curve_values("train_loss"));
    EXPECT_EQ(context.curve_values("valid_loss"), uninterrupted.curve_values("valid_loss"));
    const auto &saved = context.saved_state()->tensors, &wanted = uninterrupted.saved_state()->tensors;
    ASSERT_EQ(saved.size(), wanted.size());
    for (const auto& [name, tensor] : saved) EXPECT_TRUE(tensor.equal(wanted.at(name))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(, TrainResume, testing::Values(
    ResumeCase{"sgd", [](TrainOptions&) {}},
    ResumeCase{"adamw with average, clipping and accumulation", [](TrainOptions& o) {
      o.optimizer = AdamW{.lr = 0.01};
      o.weight_ema = 0.9;
      o.clip_norm = 1;
      o.accumulate = 4;
    }},
    ResumeCase{"bf16, best weights", [](TrainOptions& o) {
      o.bf16 = Bf16::on;
      o.keep = KeepWeights::best;
      o.monitor = "loss";
      o.weight_ema = 0.5;
    }},
    ResumeCase{"early stop", [](TrainOptions& o) {
      o.optimizer = Sgd{.lr = 0, .weight_decay = 0};  // batch statistics alone change the loss
      o.monitor = "top1";
      o.patience = 2;
    }}));

TEST_F(Train, DropoutRepeatsAfterAResume) {
  const auto start = test::tiny_mlp(1, {.dropout = 0.5});
  auto whole = start.clone(), killed = start.clone(), resumed = start.clone();
  FakeContext uninterrupted(start, {.train = &data}), context(start, {.train = &data});
  run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(run(killed, context), test::Killed);
  context.restart();
  at::manual_seed(999);  // another process: another state of the generator
  run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
}

// --- plan ---

TEST(TrainPlan, LeavesOutASmallerLastBatchUnlessItIsTheOnlyOne) {
  TrainOptions options;
  options.batch = 32;
  EXPECT_EQ(plan_training(100, options.batch, options).batches, 3);
  EXPECT_TRUE(plan_training(100, options.batch, options).drop_last);
  EXPECT_EQ(plan_training(20, options.batch, options).batches, 1);
  EXPECT_FALSE(plan_training(20, options.batch, options).drop_last);
}

TEST(TrainPlan, CountsFractionsOfEpochsAndAccumulatedSteps) {
  TrainOptions options;
  options.batch = 10;
  options.epochs = 2.5;
  const auto plain = plan_training(80, options.batch, options);
  EXPECT_EQ(plain.steps, 20);
  EXPECT_EQ(plain.epochs, 3);
  options.accumulate = 3;
  const auto accumulated = plan_training(80, options.batch, options);  // 3 + 3 + 2 batches
  EXPECT_EQ(accumulated.steps_per_epoch, 3);
  EXPECT_EQ(accumulated.steps, 8);
  options.epochs = 0.001;
  EXPECT_EQ(plan_training(80, options.batch, options).steps, 1);
}

TEST_F(Train, FractionalEpochsEndInTheMiddle) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data, .valid = &valid});
  options.epochs = 1.25;
  EXPECT_EQ(run(model, context).steps, 10);
  EXPECT_EQ(context.curves.back().epoch, 1.25);
}

TEST_F(Train, ZeroEpochsChangeNothing) {
  auto model = test::tiny_mlp();
  const auto before = model.clone();
  FakeContext context(model, {.train = &data});
  options.epochs = 0;
  EXPECT_EQ(run(model, context).steps, 0);
  EXPECT_TRUE(test::equal_weights(model, before));
}

TEST_F(Train, TrainsOnLessThanOneBatch) {
  auto model = test::tiny_mlp();
  auto few = test::synthetic_classes(5);
  FakeContext context(model, {.train = &few});
  EXPECT_EQ(run(model, context).steps, 3);
}

// --- the parts of a step ---

TEST_F(Train, AccumulatedBatchesEqualOneLargeBatch) {
  auto large = test::tiny_mlp(), small = large.clone();
  FakeContext a(large, {.train = &data}), b(large, {.train = &data});
  options.bf16 = Bf16::off;  // its gradients are rounded for each batch
  options.batch = 64;
  run(large, a);
  options.batch = 16;
  options.accumulate = 4;
  run(small, b);
  for (const auto& name : large.weights.names()) {
    EXPECT_TRUE(at::allclose(large.weights.get(name), small.weights.get(name), 1e-4, 1e-6)) << name;
  }
}

TEST_F(Train, AveragedWeightsEqualTheRecurrence) {
  auto model = test::tiny_residual_cnn();
  FakeContext context(model, {.train = &images});
  options.weight_ema = 0.7;
  options.epochs = 2;
  at::Tensor expected, last_mean;
  const auto observe = [&](Executor& executor) {
    const auto weight = executor.weight("conv1.weight").detach().to(at::kDouble).contiguous().clone();
    expected = expected.defined() ? expected * 0.7 + weight * 0.3 : weight;
    last_mean = executor.weight("bn1.running_mean").clone();
  };
  TrainHooks hooks;
  hooks.before_step = [&](Executor& executor, std::int64_t step, std::int64_t steps) {
    EXPECT_EQ(steps, 8);
    if (step > 0) observe(executor);  // after the step before
  };
  hooks.after_epoch = [&](Executor& executor, std::int64_t epoch) {
    if (epoch == 1) observe(executor);
    return std::map<std::string, double>{{"extra", 1.0 + static_cast<double>(epoch)}};
  };
  run(model, context, hooks);
  EXPECT_TRUE(at::allclose(model.weights.get("conv1.weight").to(at::kDouble), expected, 1e-5, 1e-7));
  EXPECT_TRUE(model.weights.get("bn1.running_mean").equal(last_mean));
  EXPECT_EQ(context.curve_values("extra"), (std::vector<double>{1, 2}));
}

TEST_F(Train, ClippedGradientsBoundEachStep) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data});
  options.optimizer = Sgd{.lr = 1, .momentum = 0, .weight_decay = 0};
  options.schedule = ConstantLr{};
  options.clip_norm = 0.01;
  std::map<std::string, at::Tensor> before;
  TrainHooks hooks;
  hooks.before_step = [&](Executor& executor, std::int64_t, std::int64_t) {
    double squares = 0;
    for (const auto& name : executor.parameter_names()) {
      const auto now = executor.weight(name).detach().clone();
      if (before.contains(name)) squares += (now - before.at(name)).square().sum().item<double>();
      before[name] = now;
    }
    EXPECT_LE(std::sqrt(squares), 0.0101);
  };
  run(model, context, hooks);
}

TEST_F(Train, FrozenParametersStay) {
  auto model = test::tiny_mlp();
  const auto before = model.clone();
  FakeContext context(model, {.train = &data});
  TrainHooks hooks;
  hooks.frozen = select_parameters(model, {"fc1", "fc2.bias"});
  run(model, context, hooks);
  for (const auto& name : model.weights.names()) {
    const bool frozen = name.starts_with("fc1.") || name == "fc2.bias";
    EXPECT_EQ(model.weights.get(name).equal(before.weights.get(name)), frozen) << name;
  }
}

TEST_F(Train, BatchNormsOfFrozenModulesKeepTheirStatistics) {
  auto model = test::tiny_residual_cnn();
  const auto before = model.clone();
  FakeContext context(model, {.train = &images});
  TrainHooks hooks;
  hooks.frozen = select_parameters(model, {"layer1"});
  run(model, context, hooks);
  EXPECT_TRUE(model.weights.get("layer1.0.bn1.running_mean").equal(before.weights.get("layer1.0.bn1.running_mean")));
  EXPECT_FALSE(model.weights.get("bn1.running_mean").equal(before.weights.get("bn1.running_mean")));
}

TEST_F(Train, RehearsalChecksButTrainsNothing) {
  auto model = test::tiny_mlp();
  const auto before = model.clone();
  FakeContext context(model, {.train = &data});
  context.rehearsal = true;
  EXPECT_EQ(run(model, context).steps, 0);
  EXPECT_TRUE(test::equal_weights(model, before));
  options.keep = KeepWeights::best;
  EXPECT_EQ(error_of([&] { run(model, context); }).code(), ErrorCode::recipe);
}

TEST_F(Train, LeavesTensorsAloneThatOthersShare) {
  auto model = test::tiny_residual_cnn();
  const Weights shared = model.weights;
  const auto before = shared.clone();
  FakeContext context(model, {.train = &images});
  run(model, context);
  for (const auto& name : shared.names()) EXPECT_TRUE(shared.get(name).equal(before.get(name))) << name;
}

TEST_F(Train, TrainsExtraParametersOnTappedValuesAndResumesThem) {
  const auto start = test::tiny_mlp();
  options.optimizer = Adam{.lr = 0.05};
  const auto attempt = [&](Model& model, FakeContext& context) {
    auto scale = at::ones({4}).set_requires_grad(true);
    at::Tensor hidden;
    TrainHooks hooks;
    hooks.extra_parameters = {{"scale", scale}};
    hooks.taps = {"relu"};
    hooks.tap = [&](const std::string& value, const at::Tensor& tensor) {
      EXPECT_EQ(value, "relu");
      hidden = tensor;
    };
    const auto supervised = supervised_objective(0);
    train(model, options, [&](const std::vector<at::Tensor>& outputs, const Batch& batch) {
      return supervised({outputs.at(0) * scale}, batch) + 0.01 * hidden.square().mean();
    }, hooks, context);
    return scale.detach().clone();
  };
  auto whole = start.clone(), killed = start.clone(), resumed = start.clone();
  FakeContext uninterrupted(start, {.train = &data}), context(start, {.train = &data});
  const auto expected = attempt(whole, uninterrupted);
  EXPECT_FALSE(expected.equal(at::ones({4})));
  context.kill_after_saves = 1;
  EXPECT_THROW(attempt(killed, context), test::Killed);
  context.restart();
  EXPECT_TRUE(attempt(resumed, context).equal(expected));
  EXPECT_TRUE(test::equal_weights(whole, resumed));
}

TEST_F(Train, HandsOptimizerStateOn) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data}), next(model, {.train = &data});
  auto state = run(model, context).optimizer_state;
  EXPECT_TRUE(state.contains("momentum/fc1.weight"));
  TrainHooks hooks;
  hooks.optimizer_state = state;
  EXPECT_NO_THROW(run(model, next, hooks));
}

// --- choice of weights ---

TEST_F(Train, KeepsTheBestWeights) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data, .valid = &valid});
  options.epochs = 4;
  options.keep = KeepWeights::best;
  std::vector<at::Tensor> seen;
  context.metrics = [&](const Model& candidate, const Dataset&, std::int64_t limit) -> Metrics {
    if (limit > 0) return {{"top1", 0}};
    seen.push_back(candidate.weights.get("fc1.weight").clone());
    const double values[] = {0.5, 0.8, 0.8, 0.7};
    return {{"top1", values[seen.size() - 1]}};
  };
  const auto result = run(model, context);
  EXPECT_EQ(result.best_epoch, 2);
  EXPECT_EQ(result.valid.at("top1"), 0.8);
  EXPECT_TRUE(model.weights.get("fc1.weight").equal(seen.at(1)));
}

TEST_F(Train, StopsWhenTheMetricNoLongerImproves) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data, .valid = &valid});
  options.epochs = 10;
  options.patience = 2;
  options.monitor = "mse";
  double value = 5;
  context.metrics = [&](const Model&, const Dataset&, std::int64_t limit) -> Metrics {
    if (limit == 0) value = value > 3 ? value - 1 : value + 1;  // 4, 3, 4, 3, ...
    return {{"mse", value}, {"top1", 0.5}};
  };
  const auto result = run(model, context);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.steps, 4 * 8);  // best at the second, two worse ones after it
}

// --- errors ---

TEST_F(Train, NonFiniteLossNamesEpochStepAndRate) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data});
  options.optimizer = Sgd{.lr = 1e30};
  options.schedule = ConstantLr{};
  const auto error = error_of([&] { run(model, context); });
  EXPECT_EQ(error.code(), ErrorCode::numeric);
  EXPECT_NE(error.to_text().find("is not a number in epoch 1, step "), std::string::npos) << error.to_text();
  EXPECT_NE(error.to_text().find("learning rate 1e+30"), std::string::npos) << error.to_text();
  EXPECT_NE(error.to_text().find("clip_norm"), std::string::npos);
  EXPECT_EQ(context.saves, 0);
}

TEST_F(Train, NanInTheDataIsNamedAsSuch) {
  auto inputs = data.inputs().clone();
  inputs[77][3] = NAN;
  test::MemoryDataset spoiled(inputs, data.target());
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &spoiled});
  const auto error = error_of([&] { run(model, context); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.to_text().find("example 77 has NaN in input 0"), std::string::npos) << error.to_text();
  EXPECT_EQ(error.to_text().find("optimizer.lr"), std::string::npos) << error.to_text();
}

// fc3's scores with class 2 masked.
Model masked_mlp() {
  test::ModelBuilder build(1);
  auto* x = build.linear(build.input("x", {8}), "fc", 8, 4);
  auto* mask = build.weight(InputKind::buffer, "b_", "mask", at::tensor({0.0F, 0.0F, -INFINITY, 0.0F}));
  return build.finish(build.add(x, mask));
}

TEST_F(Train, AMaskedLabelIsNotDivergence) {
  auto model = masked_mlp();
  FakeContext context(model, {.train = &data});
  const auto error = error_of([&] { run(model, context); });
  EXPECT_EQ(error.code(), ErrorCode::numeric);
  EXPECT_NE(error.to_text().find("scores of -inf (masked classes)"), std::string::npos) << error.to_text();
}

TEST_F(Train, MaskedScoresOfOtherClassesAreTrained) {
  test::MemoryDataset allowed(data.inputs(), data.target().masked_fill(data.target().eq(2), 3));
  auto model = masked_mlp();
  FakeContext context(model, {.train = &allowed});
  EXPECT_TRUE(std::isfinite(run(model, context).final_loss));
}

// --- batch norms and batches ---

Model vector_batch_norm() {
  test::ModelBuilder build(1);
  return build.finish(build.linear(build.batch_norm(build.linear(build.input("x", {8}), "fc1", 8, 16), "bn1"), "fc2", 16, 4));
}

TEST_F(Train, BatchNormOfVectorsNeedsTwoExamples) {
  const auto message = [&](test::MemoryDataset& examples, bool rehearsal) {
    auto model = vector_batch_norm();
    FakeContext context(model, {.train = &examples});
    context.rehearsal = rehearsal;
    const auto error = error_of([&] { run(model, context); });
    EXPECT_EQ(error.code(), ErrorCode::data);
    return error.to_text();
  };
  options.batch = 1;
  EXPECT_NE(message(data, false).find("batch norm of `bn1.weight` cannot be trained on a batch of one"), std::string::npos);
  EXPECT_NE(message(data, true).find("set batch to 2 or more"), std::string::npos);
  options.batch = 32;
  auto one = test::synthetic_classes(1);
  EXPECT_NE(message(one, false).find("give at least 2 examples"), std::string::npos);
}

TEST_F(Train, ARaggedLastBatchOfOneIsLeftOut) {
  auto model = vector_batch_norm();
  auto odd = test::synthetic_classes(65);
  FakeContext context(model, {.train = &odd});
  options.batch = 64;
  EXPECT_EQ(run(model, context).steps, 3);
  EXPECT_TRUE(at::isfinite(model.weights.get("bn1.running_var")).all().item<bool>());
}

TEST_F(Train, BatchNormOfPicturesTrainsOnOneAtATime) {
  auto model = test::tiny_residual_cnn();
  auto few = test::synthetic_images(3);
  FakeContext context(model, {.train = &few});
  options.batch = 1;
  options.epochs = 1;
  EXPECT_EQ(run(model, context).steps, 3);
}

TEST_F(Train, FrozenBatchNormsNeedNoStatistics) {
  auto model = vector_batch_norm();
  FakeContext context(model, {.train = &data});
  options.batch = 1;
  options.epochs = 0.05;
  options.freeze = {"bn1"};
  EXPECT_GT(run(model, context).steps, 0);
}

// Examples for a model that was exported for five at a time.
class FixedBatch : public test::MemoryDataset {
 public:
  explicit FixedBatch(const test::MemoryDataset& data) : MemoryDataset(data), info_(data.info()) { info_.fixed_batch = 5; }
  const DatasetInfo& info() const override { return info_; }

 private:
  DatasetInfo info_;
};

TEST_F(Train, AFixedBatchOverridesTheRecipes) {
  FixedBatch fixed(test::synthetic_classes(23));
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &fixed});
  EXPECT_EQ(run(model, context).steps, 3 * 4);
  FixedBatch few(test::synthetic_classes(3));
  FakeContext none(model, {.train = &few});
  EXPECT_NE(error_of([&] { run(model, none); }).to_text().find("does not fill one batch"), std::string::npos);
}

TEST_F(Train, SpoiledWeightsAreNotSaved) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data});
  options.epochs = 1;
  options.batch = 256;  // one step: its loss is still finite
  options.optimizer = Sgd{.lr = 1e39};
  options.schedule = ConstantLr{};
  const auto error = error_of([&] { run(model, context); });
  EXPECT_EQ(error.code(), ErrorCode::numeric);
  EXPECT_NE(error.to_text().find("parameter `fc1.weight` is not finite"), std::string::npos) << error.to_text();
  EXPECT_EQ(context.saves, 0);
}

TEST_F(Train, GraphsWithoutGradientAreRefused) {
  test::ModelBuilder build(1);
  auto* x = build.linear(build.input("x", {8}), "fc", 8, 4);
  auto model = build.finish(build.node("aten.detach.default", {{"self", x}}, {4}));
  FakeContext context(model, {.train = &data});
  const auto error = error_of([&] { run(model, context); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_NE(error.to_text().find("cannot be trained"), std::string::npos) << error.to_text();
}

TEST_F(Train, CancelsBetweenSteps) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data});
  context.cancel_after_checks = 12;
  EXPECT_EQ(error_of([&] { run(model, context); }).code(), ErrorCode::cancelled);
  EXPECT_EQ(context.saves, 1);
}

TEST_F(Train, BestWeightsNeedAValidationSplitAndAKnownMetric) {
  auto model = test::tiny_mlp();
  FakeContext without(model, {.train = &data}), with(model, {.train = &data, .valid = &valid});
  options.keep = KeepWeights::best;
  EXPECT_NE(error_of([&] { run(model, without); }).to_text().find("needs a validation split"), std::string::npos);
  options.monitor = "los";
  const auto error = error_of([&] { run(model, with); });
  EXPECT_EQ(error.code(), ErrorCode::recipe);
  EXPECT_NE(error.to_text().find("did you mean `loss`?"), std::string::npos) << error.to_text();
}

TEST_F(Train, RefusesToTrainNothing) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data});
  TrainHooks hooks;
  hooks.frozen = select_parameters(model, {"**"});
  EXPECT_EQ(error_of([&] { run(model, context, hooks); }).code(), ErrorCode::recipe);
}

// --- selectors ---

TEST(Selectors, NameModulesWithAllInsideOrParameters) {
  const auto model = test::tiny_residual_cnn();
  EXPECT_EQ(select_parameters(model, {"fc"}), (std::vector<std::string>{"fc.weight", "fc.bias"}));
  EXPECT_EQ(select_parameters(model, {"*.bias"}), (std::vector<std::string>{"bn1.bias", "fc.bias"}));
  EXPECT_EQ(select_parameters(model, {"layer1.*.conv?"}), (std::vector<std::string>{"layer1.0.conv1.weight", "layer1.0.conv2.weight"}));
  EXPECT_EQ(select_parameters(model, {"layer1"}).size(), 6);
  EXPECT_TRUE(select_parameters(model, {"layer"}).empty());
}

TEST(Selectors, ThatMatchNothingAreProblems) {
  const auto problems = check_selectors(test::tiny_residual_cnn(), {"layer1", "layr2"}, "freeze");
  ASSERT_EQ(problems.size(), 1);
  EXPECT_EQ(problems[0].place.pointer, "/freeze/1");
  EXPECT_NE(problems[0].hint.find("layer2"), std::string::npos) << problems[0].hint;
}

TEST(TrainResult, SurvivesItsTextForm) {
  const TrainResult result{.steps = 7, .final_loss = 0.1, .valid = {{"top1", 1.0 / 3}}, .best_epoch = 2, .stopped_early = true, .examples_per_second = 5};
  const auto copy = parse_train_result(to_text(result));
  EXPECT_EQ(copy.steps, 7);
  EXPECT_EQ(copy.final_loss, 0.1);
  EXPECT_EQ(copy.valid, result.valid);
  EXPECT_TRUE(copy.stopped_early);
}

// The gradient of a sum, which then meets an exception as LibTorch throws them.
Objective failing_backward(std::function<void()> raise) {
  return [raise = std::move(raise)](const std::vector<at::Tensor>& outputs, const Batch&) {
    auto loss = outputs.at(0).sum();
    loss.register_hook([raise](const at::Tensor& gradient) {
      raise();
      return gradient;
    });
    return loss;
  };
}

TEST_F(Train, MemoryThatRunsOutInTheBackwardPassIsNoFaultOfTheModel) {
  auto model = test::tiny_mlp();
  FakeContext context(model, {.train = &data});
  const auto failed = [&](std::function<void()> raise) { return error_of([&] { train(model, options, failing_backward(std::move(raise)), {}, context); }); };
  EXPECT_EQ(failed([] { at::empty({std::int64_t{1} << 46}); }).code(), ErrorCode::resource);
  EXPECT_EQ(failed([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory"); }).code(), ErrorCode::resource);
  EXPECT_EQ(failed([] { throw std::bad_alloc(); }).code(), ErrorCode::resource);
  const auto other = failed([] { TORCH_CHECK(false, "modified by an inplace operation"); });
  EXPECT_EQ(other.code(), ErrorCode::unsupported);
  EXPECT_NE(other.to_text().find("export the model again"), std::string::npos);
}

class Rehearsal final : public FakeContext, public ForecastListener {
 public:
  Rehearsal(const Model& model, test::FakeData data) : FakeContext(model, data) { rehearsal = true; }
  void forecast(const TrainingForecast& training) override { forecasts.push_back(training); }
  std::vector<TrainingForecast> forecasts;
};

TEST_F(Train, ARehearsalTellsTheStepsAndTheirTimeAndTrainsNothing) {
  auto model = test::tiny_residual_cnn();
  const auto before = model.clone();
  Rehearsal context(model, {.train = &images, .valid = &valid_images});
  options.epochs = 2.5;
  options.optimizer = Sgd{.lr = 1e30};  // would diverge
  EXPECT_EQ(run(model, context).steps, 0);
  ASSERT_EQ(context.forecasts.size(), 1U);
  EXPECT_EQ(context.forecasts[0].steps, plan_training(images.size(), options.batch, options).steps);
  EXPECT_GT(context.forecasts[0].seconds_per_step, 0);
  EXPECT_TRUE(test::equal_weights(model, before)) << "batch statistics included";
}

TEST_F(Train, ARehearsalMeasuresDataSetsSmallerThanABatch) {
  auto model = test::tiny_mlp();
  Rehearsal context(model, {.train = &data});
  options.batch = 1000;
  options.accumulate = 4;
  run(model, context);
  ASSERT_EQ(context.forecasts.size(), 1U);
  EXPECT_EQ(context.forecasts[0].steps, 3);
  EXPECT_GT(context.forecasts[0].seconds_per_step, 0);
}

TEST_F(Train, AutomaticBf16IsWhatTheDeviceIsGoodAt) {
  EXPECT_EQ(TrainOptions{}.bf16, Bf16::automatic);
  EXPECT_EQ(uses_bf16({}, "cpu"), has_native_bf16("cpu"));
  EXPECT_TRUE(uses_bf16({.bf16 = Bf16::on}, "cpu"));
  EXPECT_FALSE(uses_bf16({.bf16 = Bf16::off}, "cpu"));
}

}  // namespace
}  // namespace dsc
