#include "ops/cost.h"
#include "passes/restructure/run_restructure.h"
#include "train/train.h"

namespace dsc {

PassInfo make_restructure_group_convolutions();

namespace {

using namespace test;

Rewritten group(const std::string& options, const Model& model) { return rewrite(make_restructure_group_convolutions(), options, model); }

// Keeps the weights whose output and input share a group; zeroes the others.
void make_block_diagonal(Model& model, const std::string& name, const std::vector<int>& outputs, const std::vector<int>& inputs) {
  at::Tensor weight = model.weights.get(name).clone();
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (outputs[o] != inputs[i]) weight.select(0, static_cast<std::int64_t>(o)).select(0, static_cast<std::int64_t>(i)).zero_();
    }
  }
  model.weights.set(name, weight);
}

TEST(GroupConvolutions, EqualTheDenseOneWhereOnlyItsBlocksMatter) {
  Model model = tiny_residual_cnn();
  make_block_diagonal(model, "layer1.0.conv1.weight", {0, 0, 0, 0, 1, 1, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 1});
  const auto made = group("groups: 2, reorder: false, only: [layer1.0.conv1]", model);
  EXPECT_EQ(made.model.weights.get("layer1.0.conv1.weight").sizes(), (at::IntArrayRef{8, 4, 3, 3}));
  EXPECT_EQ(made.model.graph.node_count(), model.graph.node_count());
  expect_equal_outputs(made.model, model, 1e-5);
}

TEST(GroupConvolutions, FindsScatteredBlocks) {
  Model model = tiny_residual_cnn();
  make_block_diagonal(model, "layer1.0.conv1.weight", {0, 1, 1, 0, 1, 0, 0, 1}, {1, 0, 1, 0, 0, 1, 0, 1});
  const auto made = group("groups: 2, only: [layer1.0.conv1]", model);
  EXPECT_EQ(made.result.tables.at(0).rows.at(0).at(2), "1.0000");
  expect_equal_outputs(made.model, model, 1e-5);
}

TEST(GroupConvolutions, ReorderingNeverKeepsLess) {
  Model model = tiny_residual_cnn(4, {.width = 16});
  const auto plain = group("groups: 4, reorder: false", model), sorted = group("groups: 4", model);
  const auto &a = plain.result.tables.at(0).rows, &b = sorted.result.tables.at(0).rows;
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_GE(std::stod(b[i][2]), std::stod(a[i][2])) << a[i][0];
}

TEST(GroupConvolutions, SparesKernelsOfOneAndChannelsThatDoNotDivide) {
  Model model = tiny_residual_cnn();
  const auto made = group("groups: 4, reorder: false", model);
  EXPECT_EQ(made.model.weights.get("conv1.weight").size(1), 3);
  EXPECT_EQ(made.model.weights.get("layer2.0.downsample.0.weight").size(1), 8);
  EXPECT_EQ(made.model.weights.get("layer2.0.conv2.weight").size(1), 4);
  EXPECT_LT(model_cost(made.model).macs, 0.5 * model_cost(model).macs);
}

TEST(GroupConvolutions, TheResultTrains) {
  Model model = group("groups: 2", tiny_residual_cnn()).model;
  MemoryDataset data = synthetic_images(64);
  FakeContext context(model, {.train = &data});
  const auto result = train(model, {.epochs = 4, .batch = 32, .validate_every = 0}, supervised_objective(0), {}, context);
  EXPECT_LT(result.final_loss, context.curve_values("train_loss").front());
}

TEST(GroupConvolutions, SaysWhatCannotBe) {
  const auto info = make_restructure_group_convolutions();
  EXPECT_EQ(problems_of(info, "groups: 3", tiny_residual_cnn()).size(), 1U);
  EXPECT_EQ(problems_of(info, "only: [fc]", tiny_residual_cnn()).size(), 1U);
  EXPECT_TRUE(problems_of(info, "groups: 3, allow_empty: true", tiny_residual_cnn()).empty());
}

}  // namespace
}  // namespace dsc
