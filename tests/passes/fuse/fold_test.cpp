#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_models.h"

namespace dsc {

PassInfo make_fuse_fold();

namespace {

PassResult fuse(Model& model, const std::string& yaml = "{}") {
  test::FakeContext context(model);
  return test::ConfiguredPass(make_fuse_fold(), yaml).run(model, context);
}

double fold_statistic(const PassResult& result, const std::string& name) {
  for (const Statistic& s : result.statistics) {
    if (s.name == name) return s.value;
  }
  return -1;
}

TEST(Fuse, FoldsBatchNormsAndReportsThem) {
  Model model = test::tiny_residual_cnn();
  const at::Tensor x = test::noise({3, 3, 8, 8}, 5), before = Executor(model, {}).run({x})[0];
  const PassResult result = fuse(model);
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(fold_statistic(result, "batch_norms_folded"), 6);
  EXPECT_EQ(fold_statistic(result, "batch_norms_kept"), 0);
  ASSERT_EQ(result.tables.size(), 1u);
  EXPECT_EQ(result.tables[0].rows[0], (std::vector<std::string>{"conv1", "conv2d", "batch_norm", "folded"}));
  EXPECT_TRUE(verify(model).empty());
  EXPECT_LT((Executor(model, {}).run({x})[0] - before).abs().max().item<double>(), 1e-5);
}

TEST(Fuse, RemovesDropoutAndDeadCode) {
  Model model = test::tiny_mlp(1, {.dropout = 0.5});
  model.graph.insert(nullptr, "aten.relu.default", {{"self", model.graph.find_value("relu")}}, {{"unused", TensorType{}}});
  model.weights.set("extra", at::ones({3}));
  model.graph.add_input(InputKind::parameter, "p_extra", "extra", TensorType{.sizes = {{.size = 3}}});
  const at::Tensor x = test::noise({3, 8}, 5), before = Executor(model, {}).run({x})[0];
  const PassResult result = fuse(model);
  EXPECT_EQ(fold_statistic(result, "dropouts_removed"), 1);
  EXPECT_EQ(fold_statistic(result, "dead_operators_removed"), 1);
  EXPECT_EQ(fold_statistic(result, "unused_tensors_removed"), 1);
  EXPECT_FALSE(model.weights.has("extra"));
  EXPECT_TRUE(verify(model).empty());
  EXPECT_TRUE(Executor(model, {}).run({x})[0].equal(before));
}

TEST(Fuse, KeepsWhatItIsToldToAndSaysWhatItCouldNot) {
  Model model = test::tiny_residual_cnn();
  model.graph.add_output(OutputKind::user, model.graph.find_value("conv2d"));
  const PassResult result = fuse(model, "{skip: ['layer1.**']}");
  EXPECT_EQ(fold_statistic(result, "batch_norms_folded"), 3);
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_EQ(result.notes[0], "batch norm bn1 stays: the layer's output is used elsewhere too");
}

TEST(Fuse, SecondRunFindsNothing) {
  Model model = test::tiny_residual_cnn();
  fuse(model);
  const std::string text = print_graph(model.graph);
  EXPECT_THROW(fuse(model), Error);
  EXPECT_FALSE(fuse(model, "{allow_empty: true}").changed);
  EXPECT_EQ(print_graph(model.graph), text);
}

TEST(Fuse, SkipThatMatchesNothingIsAnErrorWithTheNearestName) {
  const Model model = test::tiny_residual_cnn();
  const auto problems = test::ConfiguredPass(make_fuse_fold(), "{skip: [layer1.0.bn3]}").check(model);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].place.pointer, "/skip/0");
  EXPECT_NE(problems[0].hint.find("layer1.0.bn"), std::string::npos) << problems[0].hint;
}

}  // namespace
}  // namespace dsc
