#include "ops/fold_batchnorm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

std::string problems_of(const Model& model) {
  std::string text;
  for (const Problem& problem : verify(model)) text += problem.place.pointer + ": " + problem.message + "\n";
  return text;
}

// Gives every batch norm statistics and parameters far from the identity.
void stir_batch_norms(Model& model) {
  std::uint64_t seed = 100;
  for (const std::string& name : std::vector<std::string>(model.weights.names())) {
    const auto& tensor = model.weights.get(name);
    if (tensor.dim() != 1 || !tensor.is_floating_point()) continue;
    const bool variance = name.ends_with("running_var");
    model.weights.set(name, variance ? test::noise(tensor.sizes().vec(), ++seed).abs() + 0.1 : test::noise(tensor.sizes().vec(), ++seed));
  }
}

at::Tensor run(const Model& model, const at::Tensor& x) { return Executor(model, {}).run({x}).at(0); }

TEST(FoldBatchNorm, KeepsTheOutputsOfAResidualNetwork) {
  Model model = test::tiny_residual_cnn();
  stir_batch_norms(model);
  const at::Tensor x = test::noise({3, 3, 8, 8}, 5);
  const at::Tensor before = run(model, x);
  const std::int64_t names = static_cast<std::int64_t>(model.weights.names().size());
  const FoldReport report = fold_batch_norms(model);
  EXPECT_EQ(report.folded.size(), 6u);
  EXPECT_TRUE(report.kept.empty());
  EXPECT_EQ(problems_of(model), "");
  for (const Node* node : model.graph.nodes()) EXPECT_NE(node->op(), "aten.batch_norm");
  EXPECT_EQ(static_cast<std::int64_t>(model.weights.names().size()), names - 6 * 4 + 6);
  EXPECT_TRUE(model.weights.has("conv1.bias"));
  EXPECT_LT((run(model, x) - before).abs().max().item<double>(), 1e-4 * before.abs().max().item<double>());
}

struct LayerCase {
  const char* text;
  std::vector<std::int64_t> input, weight;
  std::int64_t channels;
};
class FoldsInto : public testing::TestWithParam<LayerCase> {};

// Each kind of layer, with and without bias, groups and transposition.
TEST_P(FoldsInto, EveryKindOfLayer) {
  const LayerCase& test_case = GetParam();
  std::string dims;
  for (const auto size : test_case.weight) dims += (dims.empty() ? "" : ", ") + std::to_string(size);
  std::string shape;
  for (const auto size : test_case.input) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  const std::string channels = std::to_string(test_case.channels);
  std::string placeholder = "1, " + channels;
  for (std::size_t i = 2; i < test_case.input.size(); ++i) placeholder += ", 1";
  Model model;
  model.graph = parse_graph("graph {\n  param %w \"l.weight\": f32[" + dims + "]\n  param %b \"l.bias\": f32[" + channels +
                            "]\n  param %g \"bn.weight\": f32[" + channels + "]\n  param %h \"bn.bias\": f32[" + channels +
                            "]\n  buffer %m \"bn.running_mean\": f32[" + channels + "]\n  buffer %v \"bn.running_var\": f32[" + channels +
                            "]\n  buffer %n \"bn.num_batches_tracked\": i64[]\n  input %x: f32[" + shape + "]\n  %c: f32[" + placeholder + "] = " +
                            test_case.text + "\n  %count: i64[] = aten.add_.Tensor(self=%n, other=1)\n  %y: f32[" + placeholder +
                            "] = aten.batch_norm.default(input=%c, weight=%g, bias=%h, running_mean=%m, running_var=%v, training=false, "
                            "momentum=0.1, eps=0.01, cudnn_enabled=false)\n  output %y\n}");
  model.weights.set("l.weight", test::noise(test_case.weight, 1));
  for (const char* name : {"l.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}) model.weights.set(name, at::zeros({test_case.channels}));
  stir_batch_norms(model);
  model.weights.set("bn.num_batches_tracked", at::zeros({}, at::kLong));
  const at::Tensor x = test::noise(test_case.input, 2);
  const at::Tensor before = run(model, x);
  const auto report = fold_batch_norms(model);
  ASSERT_EQ(report.folded.size(), 1u) << (report.kept.empty() ? "" : report.kept[0].reason);
  EXPECT_EQ(model.weights.names().size(), 2u) << "weight and bias remain";
  EXPECT_EQ(model.graph.node_count(), 1u);
  EXPECT_LT((run(model, x) - before).abs().max().item<double>(), 1e-5 * (1 + before.abs().max().item<double>()));
}

INSTANTIATE_TEST_SUITE_P(
    Layers, FoldsInto,
    testing::Values(
        LayerCase{"aten.conv1d.default(input=%x, weight=%w, bias=%b)", {2, 4, 9}, {6, 4, 3}, 6},
        LayerCase{"aten.conv2d.default(input=%x, weight=%w, bias=%b, stride=[1, 1], padding=[0, 0], dilation=[1, 1], groups=2)", {2, 4, 6, 6}, {6, 2, 3, 3}, 6},
        LayerCase{"aten.conv2d.padding(input=%x, weight=%w, bias=%b, stride=[1, 1], padding=\"same\")", {2, 4, 6, 6}, {6, 4, 3, 3}, 6},
        LayerCase{"aten.conv3d.default(input=%x, weight=%w, bias=%b)", {2, 4, 5, 5, 5}, {6, 4, 3, 3, 3}, 6},
        LayerCase{"aten.conv_transpose2d.input(input=%x, weight=%w, bias=%b, stride=[2, 2], padding=[0, 0], output_padding=[0, 0], groups=2)", {2, 4, 6, 6}, {4, 3, 3, 3}, 6},
        LayerCase{"aten.linear.default(input=%x, weight=%w, bias=%b)", {5, 4}, {6, 4}, 6}));

// LeViT's linear layers: [N, T, C] normalised as [N * T, C].
TEST(FoldBatchNorm, FoldsThroughJoinedRows) {
  Model model{.graph = parse_graph(R"text(graph {
    param %w "w": f32[6, 4]
    param %g "g": f32[6]
    param %b "b": f32[6]
    buffer %m "m": f32[6]
    buffer %v "v": f32[6]
    input %x: f32[s0{2}, 3, 4]
    %y: f32[s0{2}, 3, 6] = aten.linear.default(input=%x, weight=%w)
    %rows: f32[s0*3{6}, 6] = aten.flatten.using_ints(self=%y, start_dim=0, end_dim=1)
    %n: f32[s0*3{6}, 6] = aten.batch_norm.default(input=%rows, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=false, momentum=0.1, eps=1e-05, cudnn_enabled=false)
    %z: f32[s0{2}, 3, 6] = aten.reshape_as.default(self=%n, other=%y)
    output %z
  })text"), .source = "text"};
  std::uint64_t seed = 3;
  for (const char* name : {"w", "g", "b", "m"}) model.weights.set(name, test::noise(name[0] == 'w' ? std::vector<std::int64_t>{6, 4} : std::vector<std::int64_t>{6}, ++seed));
  model.weights.set("v", test::noise({6}, 9).abs() + 0.1);
  const at::Tensor x = test::noise({5, 3, 4}, 5), before = run(model, x);
  EXPECT_EQ(fold_batch_norms(model).folded.size(), 1u);
  EXPECT_EQ(problems_of(model), "");
  EXPECT_TRUE(run(model, x).allclose(before, 1e-5, 1e-5));
}

TEST(FoldBatchNorm, LeavesSharedOutputsAndWeightsAloneAndSaysWhy) {
  Model model = test::tiny_residual_cnn();
  model.graph.add_output(OutputKind::user, model.graph.find_value("conv2d"));
  const FoldReport report = fold_batch_norms(model);
  EXPECT_EQ(report.folded.size(), 5u);
  ASSERT_EQ(report.kept.size(), 1u);
  EXPECT_EQ(report.kept[0].module, "bn1");
  EXPECT_EQ(report.kept[0].reason, "the layer's output is used elsewhere too");
}

TEST(FoldBatchNorm, FoldsOnlyWhatIsSelected) {
  Model model = test::tiny_residual_cnn();
  EXPECT_EQ(fold_batch_norms(model, [](const Node& node) { return node.module_path() == "bn1"; }).folded.size(), 1u);
}

}  // namespace
}  // namespace dsc
