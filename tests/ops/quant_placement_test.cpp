#include "ops/quant_placement.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ir/text.h"
#include "ops/fold_batchnorm.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// Value name -> names of the nodes that take its quantised form.
std::map<std::string, std::vector<std::string>> users_of(const QuantPlacement& placement) {
  std::map<std::string, std::vector<std::string>> users;
  for (const auto& quantizer : placement.activations) {
    for (const Use& use : quantizer.uses) users[quantizer.value->name()].push_back(use.node->name());
  }
  return users;
}

TEST(QuantPlacement, SharesOneQuantiserBetweenConvolutionAndFusedShortcut) {
  Model model = test::tiny_residual_cnn();
  fold_batch_norms(model);
  const auto users = users_of(place_quantizers(model.graph));
  using List = std::vector<std::string>;
  // conv1 relu | block 1: conv, conv, add | block 2: conv, conv, 1x1 conv, add | pool, linear
  EXPECT_EQ(users.at("x"), (List{"conv2d"}));
  EXPECT_EQ(users.at("relu"), (List{"conv2d_1", "add"})) << "identity shortcut";
  EXPECT_EQ(users.at("relu_1"), (List{"conv2d_2"}));
  EXPECT_EQ(users.at("relu_2"), (List{"conv2d_3", "conv2d_5"}));
  EXPECT_EQ(users.at("conv2d_5"), (List{"add_1"})) << "the shortcut's convolution writes integers";
  EXPECT_FALSE(users.contains("relu_4"));
  EXPECT_EQ(users.size(), 7u);
}

TEST(QuantPlacement, GoesThroughMovesToAShortcutThatIsQuantisedAnyway) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 8, 3, 3]
  input %x: f32[2, 8, 8, 8]
  %relu: f32[2, 8, 8, 8] = aten.relu.default(self=%x)
  %conv: f32[2, 8, 8, 8] = aten.conv2d.default(input=%relu, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
  %slice: f32[2, 6, 8, 8] = aten.slice.Tensor(self=%relu, dim=1, start=0, end=6)
  %pad: f32[2, 8, 8, 8] = aten.pad.default(self=%slice, pad=[0, 0, 0, 0, 1, 1], mode="constant", value=0.0)
  %add: f32[2, 8, 8, 8] = aten.add_.Tensor(self=%conv, other=%pad)
  output %add
})text");
  const auto users = users_of(place_quantizers(graph));
  EXPECT_EQ(users.size(), 1u);
  EXPECT_EQ(users.at("relu"), (std::vector<std::string>{"conv", "slice"}));
}

TEST(QuantPlacement, LeavesAddsAfterLinearLayersInFloatingPoint) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 8]
  input %x: f32[2, 8]
  %fc: f32[2, 8] = aten.linear.default(input=%x, weight=%w)
  %add: f32[2, 8] = aten.add.Tensor(self=%fc, other=%x)
  output %add
})text");
  EXPECT_EQ(users_of(place_quantizers(graph)).at("x"), (std::vector<std::string>{"fc"}));
}

TEST(QuantPlacement, MovesUpOverOperatorsThatOnlyMoveElements) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 32]
  input %x: f32[2, 8, 4, 4]
  %relu: f32[2, 8, 4, 4] = aten.relu.default(self=%x)
  %pool: f32[2, 8, 2, 2] = aten.max_pool2d.default(self=%relu, kernel_size=[2, 2])
  %flat: f32[2, 32] = aten.flatten.using_ints(self=%pool, start_dim=1)
  %fc: f32[2, 8] = aten.linear.default(input=%flat, weight=%w)
  output %fc
})text");
  EXPECT_EQ(users_of(place_quantizers(graph)).at("relu"), (std::vector<std::string>{"pool"}));
}

TEST(QuantPlacement, QuantisesSharedWeightsOnce) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 8]
  input %x: f32[2, 8]
  %a: f32[2, 8] = aten.linear.default(input=%x, weight=%w)
  %b: f32[2, 8] = aten.linear.default(input=%a, weight=%w)
  output %b
})text");
  const auto placement = place_quantizers(graph);
  ASSERT_EQ(placement.weights.size(), 1u);
  EXPECT_EQ(placement.weights[0].uses.size(), 2u);
  EXPECT_EQ(placement.layers.size(), 2u);
}

// The same graph for engines with an integer add, with kernels that have no zero points, and with another choice of layers.
TEST(QuantPlacement, FollowsTheTargetAndTheChoice) {
  const std::string text = R"text(graph {
  param %v "v": f32[8, 8, 3, 3]
  param %w "w": f32[8, 8, 3, 3]
  input %x: f32[2, 8, 4, 4]
  %a: f32[2, 8, 4, 4] = aten.conv2d.default(input=%x, weight=%v, bias=None, stride=[1, 1], padding=[1, 1])
  %add: f32[2, 8, 4, 4] = aten.add.Tensor(self=%a, other=%x)
  %relu: f32[2, 8, 4, 4] = aten.relu.default(self=%add)
  %b: f32[2, 8, 4, 4] = aten.conv2d.default(input=%relu, weight=%w)
  output %b
})text";
  using List = std::vector<std::string>;
  Graph fused = parse_graph(text), both = parse_graph(text), symmetric = parse_graph(text), split = parse_graph(text);
  EXPECT_EQ(users_of(place_quantizers(fused)), (std::map<std::string, List>{{"x", {"a", "add"}}, {"relu", {"b"}}}));
  EXPECT_EQ(users_of(place_quantizers(both, *find_quant_target("onnxruntime_cpu"))),
            (std::map<std::string, List>{{"x", {"a", "add"}}, {"a", {"add"}}, {"relu", {"b"}}}));
  for (const auto& quantizer : place_quantizers(symmetric, *find_quant_target("symmetric")).activations) EXPECT_EQ(quantizer.zero_point, ZeroPoint::symmetric);
  const auto placement = place_quantizers(split, quant_targets().front(), [](const Node& node) -> std::optional<LayerChoice> {
    return LayerChoice{.activations = node.name() == "a" ? 0 : -1};
  });
  EXPECT_EQ(users_of(placement), (std::map<std::string, List>{{"x", {"a", "add"}}}));
  EXPECT_EQ(placement.weights.size(), 2u);
}

TEST(QuantPlacement, QuantisesQueriesAndKeysOfFusedAttentionWhereTheKernelTakesThem) {
  Graph graph = parse_graph(R"text(graph {
  input %q: f32[2, 4, 5, 8]
  input %k: f32[2, 4, 5, 8]
  input %v: f32[2, 4, 5, 8]
  %attention: f32[2, 4, 5, 8] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v)
  output %attention
})text");
  const auto placement = place_quantizers(graph);
  EXPECT_EQ(users_of(placement), (std::map<std::string, std::vector<std::string>>{{"q", {"attention"}}, {"k", {"attention"}}}));
  for (const auto& quantizer : placement.activations) {
    EXPECT_EQ(quantizer.zero_point, quantizer.value->name() == "k" ? ZeroPoint::narrow : ZeroPoint::middle) << quantizer.value->name();
  }
  EXPECT_TRUE(place_quantizers(graph, *find_quant_target("onnxruntime_cpu")).activations.empty());
}

// Along its input channels, where there are products to add and integers on both sides.
TEST(QuantPlacement, WeightsThatMustFitPairsOfProductsSayAlongWhichAxis) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 4, 1, 1]
  param %t "t": f32[8, 6, 2, 2]
  param %m "m": f32[6, 5]
  param %e "e": f32[10, 5]
  input %x: f32[2, 4, 4, 4]
  input %ids: i64[2]
  %a: f32[2, 8, 4, 4] = aten.conv2d.default(input=%x, weight=%w)
  %b: f32[2, 6, 8, 8] = aten.conv_transpose2d.input(input=%a, weight=%t, bias=None, stride=[2, 2])
  %p: f32[2, 8, 8, 6] = aten.permute.default(self=%b, dims=[0, 2, 3, 1])
  %c: f32[2, 8, 8, 5] = aten.matmul.default(self=%p, other=%m)
  %d: f32[2, 5] = aten.embedding.default(weight=%e, indices=%ids)
  output %c
  output %d
})text");
  const auto axes_of = [](const QuantPlacement& placement) {
    std::map<std::string, std::optional<std::int64_t>> axes;
    for (const auto& quantizer : placement.weights) axes[quantizer.name] = quantizer.paired_axis;
    return axes;
  };
  using Axes = std::map<std::string, std::optional<std::int64_t>>;
  const Axes none{{"w", {}}, {"t", {}}, {"m", {}}, {"e", {}}};
  EXPECT_EQ(axes_of(place_quantizers(graph)), (Axes{{"w", 1}, {"t", 0}, {"m", 0}, {"e", {}}}));
  EXPECT_EQ(axes_of(place_quantizers(graph, *find_quant_target("openvino_vnni"))), none);
  const auto weights_alone = [](const Node&) -> std::optional<LayerChoice> { return LayerChoice{.activations = -1}; };
  EXPECT_EQ(axes_of(place_quantizers(graph, quant_targets().front(), weights_alone)), none);
}

TEST(QuantPlacement, InsertsBeforeTheFirstUser) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 8]
  input %x: f32[2, 8]
  %a: f32[2, 8] = aten.linear.default(input=%x, weight=%w) @first
  %b: f32[2, 8] = aten.linear.default(input=%x, weight=%w) @second
  output %b
})text");
  const auto placement = place_quantizers(graph);
  const auto& quantizer = placement.activations.at(0);
  Node* node = insert_quantizer(graph, quantizer.value, quantizer.uses, "aten.fake_quantize_per_tensor_affine.default",
                                {{"scale", 0.5}, {"zero_point", std::int64_t{0}}, {"quant_min", std::int64_t{0}}, {"quant_max", std::int64_t{255}}}, "q");
  EXPECT_TRUE(graph.is_before(node, graph.find_node("a")));
  EXPECT_EQ(node->module_path(), "first");
  EXPECT_EQ(graph.find_node("b")->find_value("input"), node->output());
  EXPECT_EQ(quantizer.value->uses().size(), 1u);
}

}  // namespace
}  // namespace dsc
