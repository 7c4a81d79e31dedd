// Networks of several widths against networks built narrow, with the whole one's first channels, and against plain LibTorch.
#include <gtest/gtest.h>

#include <cmath>

#include "exec/executor.h"
#include "io/pt2.h"
#include "ops/norm_weights.h"
#include "ops/widths.h"
#include "support/error_of.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc {

PassInfo make_dynamic_switchable_width();
PassInfo make_finetune_supervised();

namespace {

using test::ConfiguredPass;
using test::FakeContext;

ConfiguredPass widths_pass(const std::string& yaml) { return {make_dynamic_switchable_width(), yaml}; }

at::Tensor scores_of(const Model& model, const at::Tensor& x) {
  c10::NoGradGuard no_grad;
  return Executor(model, {}).run({x}).at(0);
}

// A tensor's first elements in every dimension.
at::Tensor corner(at::Tensor tensor, const at::Tensor& like) {
  for (std::int64_t d = 0; d < like.dim(); ++d) tensor = tensor.narrow(d, 0, like.size(d));
  return tensor.contiguous();
}

// The oracle: `narrow`, a network built at that width, with the corners of the whole's tensors and the batch norms that a width has.
Model& take_corners(Model& narrow, const Model& whole, const Width& width) {
  for (const auto& name : narrow.weights.names()) {
    const at::Tensor like = narrow.weights.get(name);
    const auto own = width.norms.find(name);
    narrow.weights.set(name, own == width.norms.end() ? corner(whole.weights.get(name), like) : at::tensor(own->second, at::kFloat));
  }
  return narrow;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

class SwitchableWidth : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }
  test::MemoryDataset train = test::synthetic_images(256), valid = test::synthetic_images(128, 1);
  Model model = test::tiny_residual_cnn(1, {.width = 8});
};

TEST_F(SwitchableWidth, AWidthIsTheNetworkBuiltNarrowWithTheFirstChannels) {
  Model narrow = test::tiny_residual_cnn(1, {.width = 4});
  take_corners(narrow, model, {});
  const Model half = at_width(model, {.share = 0.5, .norms = {}});
  EXPECT_TRUE(test::equal_weights(half, narrow));
  EXPECT_TRUE(scores_of(half, valid.inputs()).equal(scores_of(narrow, valid.inputs())));
  EXPECT_TRUE(test::equal_weights(at_width(model, {.share = 1, .norms = {}}), model));
}

// Branches that are joined end to end shrink each.
TEST_F(SwitchableWidth, JoinedBranchesShrinkEach) {
  test::ModelBuilder build(1);
  auto* x = build.input("x", {3, 8, 8});
  auto *a = build.conv(x, "a", 3, 4, 3), *b = build.conv(x, "b", 3, 8, 3);
  auto* joined = build.node("aten.cat.default", {{"tensors", ValueList{a, b}}, {"dim", std::int64_t{1}}}, {12, 8, 8});
  const Model whole = build.finish(build.linear(build.pool(joined), "fc", 12, 4));
  const Model half = at_width(whole, {.share = 0.5, .norms = {}});
  EXPECT_EQ(half.weights.get("a.weight").size(0), 2);
  EXPECT_EQ(half.weights.get("b.weight").size(0), 4);
  const auto& w = whole.weights.get("fc.weight");
  EXPECT_TRUE(half.weights.get("fc.weight").equal(at::cat({w.narrow(1, 0, 2), w.narrow(1, 4, 4)}, 1)));
}

// One step of gradient descent on a network of three layers, written down.
TEST_F(SwitchableWidth, AStepIsThatOfThePlainSandwich) {
  auto data = test::synthetic_classes(32);
  Model mlp = test::tiny_mlp();
  std::map<std::string, at::Tensor> leaves;
  for (const auto& name : mlp.weights.names()) leaves[name] = mlp.weights.get(name).clone().set_requires_grad(true);
  const auto forward = [&](std::int64_t hidden) {
    const auto w = [&](const char* name, std::int64_t out, std::int64_t in) { return leaves.at(name).narrow(0, 0, out).narrow(1, 0, in); };
    auto x = at::relu(at::linear(data.inputs(), w("fc1.weight", hidden, 8), leaves.at("fc1.bias").narrow(0, 0, hidden)));
    x = at::relu(at::linear(x, w("fc2.weight", hidden, hidden), leaves.at("fc2.bias").narrow(0, 0, hidden)));
    return at::linear(x, w("fc3.weight", 4, hidden), leaves.at("fc3.bias"));
  };
  const auto whole = forward(16);
  const auto towards = at::log_softmax(whole.detach(), 1);
  const auto of_width = [&](std::int64_t hidden) {
    const auto scores = forward(hidden);
    return 0.25 * at::cross_entropy_loss(scores, data.target()) + 0.75 * (towards.exp() * (towards - at::log_softmax(scores, 1))).sum() / 32;
  };
  (at::cross_entropy_loss(whole, data.target()) + of_width(8) + of_width(4)).backward();

  FakeContext context(mlp, {.train = &data});
  const std::string plain = "epochs: 1, batch: 32, bf16: false, schedule: constant, optimizer: {sgd: {lr: 0.1, momentum: 0, weight_decay: 0}}}";
  widths_pass("{widths: [1, 0.5, 0.25], labels: {weight: 0.25}, kd: {weight: 0.75}, " + plain).run(mlp, context);
  for (const auto& [name, leaf] : leaves) {
    const auto expected = leaf.detach() - 0.1 * leaf.grad();
    EXPECT_LE(largest_difference(mlp.weights.get(name), expected), 1e-6) << name;
  }
}

// Against networks built at each width and trained alone for as many epochs.
TEST_F(SwitchableWidth, EveryWidthLearnsWithBatchNormsOfItsOwn) {
  const std::string training = "epochs: 8, batch: 32, optimizer: {sgd: {lr: 0.05}}}";
  const auto alone = [&](std::int64_t width) {
    Model narrow = test::tiny_residual_cnn(1, {.width = width});
    FakeContext context(narrow, {.train = &train});
    ConfiguredPass(make_finetune_supervised(), "{" + training).run(narrow, context);
    return test::evaluate_classifier(narrow, valid).at("top1");
  };
  FakeContext context(model, {.train = &train, .valid = &valid});
  const auto result = widths_pass("{widths: [0.25, 0.5, 0.75], recalibrate_batches: 4, " + training).run(model, context);
  const auto found = widths_of(model);
  ASSERT_TRUE(found && found->widths.size() == 3U);
  EXPECT_GE(test::evaluate_classifier(model, valid).at("top1"), alone(8) - 0.1);
  for (const Width& width : found->widths) {
    const Model narrow = at_width(model, width);
    EXPECT_GE(test::evaluate_classifier(narrow, valid).at("top1"), alone(std::llround(8 * width.share)) - 0.1) << width.share;
    for (const auto& name : norm_parameters(narrow.graph))
      EXPECT_FALSE(narrow.weights.get(name).equal(corner(model.weights.get(name), narrow.weights.get(name)))) << name;
  }
  ASSERT_EQ(result.tables.back().rows.size(), 4U);
  EXPECT_EQ(result.tables.back().rows[1][0], "0.75");
}

// What is deployed is the narrow part of the shared weights.
TEST_F(SwitchableWidth, AWidthGoesThroughAFile) {
  FakeContext context(model, {.train = &train});
  widths_pass("{widths: [0.5], epochs: 1, batch: 32, recalibrate_batches: 2, optimizer: {sgd: {lr: 0.05}}}").run(model, context);
  const test::TempFolder folder;
  write_pt2(model, folder.file("model.pt2"));
  const Model opened = read_pt2(folder.file("model.pt2"));
  const auto widths = widths_of(opened);
  ASSERT_TRUE(widths);
  const Width& width = widths->widths.front();
  write_pt2(at_width(opened, width), folder.file("half.pt2"));
  const Model half = read_pt2(folder.file("half.pt2"));
  EXPECT_FALSE(widths_of(half));
  Model narrow = test::tiny_residual_cnn(1, {.width = 4});
  EXPECT_LE(largest_difference(scores_of(half, valid.inputs()), scores_of(take_corners(narrow, model, width), valid.inputs())), 1e-6);
}

// By its first convolution: mean over pictures and pixels.
TEST_F(SwitchableWidth, StatisticsAreThoseOfTheWidth) {
  FakeContext context(model, {.train = &train});
  widths_pass("{widths: [0.5], epochs: 1, batch: 32, recalibrate_batches: 2, optimizer: {sgd: {lr: 0.05}}}").run(model, context);
  const Model half = at_width(model, widths_of(model)->widths.front());
  const auto mean = at::conv2d(train.inputs(), half.weights.get("conv1.weight"), {}, 1, 1).to(at::kDouble).mean({0, 2, 3});
  EXPECT_LE(largest_difference(half.weights.get("bn1.running_mean").to(at::kDouble), mean), 1e-5);  // 256 examples are two batches of 128
}

TEST_F(SwitchableWidth, ResumesToTheSameBytes) {
  const auto pass = widths_pass("{widths: [0.5, 0.25], epochs: 3, batch: 32, recalibrate_batches: 2, optimizer: {sgd: {lr: 0.05}}}");
  Model whole = model.clone(), killed = model.clone(), resumed = model.clone();
  FakeContext uninterrupted(model, {.train = &train, .valid = &valid}), context(model, {.train = &train, .valid = &valid});
  pass.run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(pass.run(killed, context), test::Killed);
  context.restart();
  pass.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
  EXPECT_EQ(whole.archive.extra_files, resumed.archive.extra_files);
}

// The base model shares tensors with the one that a pass gets.
TEST_F(SwitchableWidth, ARehearsalLeavesTheModelsTensorsAlone) {
  const Model before = model.clone();
  FakeContext context(model, {.train = &train, .valid = &valid});
  context.rehearsal = true;
  widths_pass("{widths: [0.5], epochs: 1, batch: 32}").run(model, context);
  EXPECT_TRUE(test::equal_weights(model, before));
  EXPECT_TRUE(widths_of(model));
}

TEST_F(SwitchableWidth, LayersThatChangeAfterwardsAreAnError) {
  Width half = read_width(0.5, at_width(model, {.share = 0.5, .norms = {}}));
  half.norms["bn1.weight"].push_back(1);
  const std::string message = test::error_of([&] { at_width(model, half); }).what();
  EXPECT_NE(message.find("do not fit the network any more, first `bn1.weight`"), std::string::npos) << message;
}

TEST_F(SwitchableWidth, RefusesWhatHasOneWidth) {
  test::ModelBuilder build(1);
  const Model single = build.finish(build.linear(build.input("x", {4}), "fc", 4, 3));
  const auto problems = widths_pass("{widths: [0.5]}").check(single);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].message.find("only one width"), std::string::npos);
  EXPECT_EQ(widths_pass("{widths: [0.5]}").check(model).size(), 0U);
  ASSERT_EQ(widths_pass("{widths: [0.5], freeze: [layer1]}").check(model).size(), 1U);
  set_widths(model, {.widths = {{.share = 0.5, .norms = {}}}});
  EXPECT_EQ(widths_pass("{widths: [0.5]}").check(model).size(), 1U);
  EXPECT_THROW(widths_pass("{widths: [1]}"), Error);
}

}  // namespace
}  // namespace dsc
