#include "ops/quantization.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ir/text.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

TEST(QuantParams, ZeroIsAlwaysOnTheGrid) {
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{{-1, 2}, {0.5, 3}, {-4, -1}, {0, 6}, {-1e-3, 5}}) {
    for (const std::int64_t bits : {2, 4, 8}) {
      for (const bool symmetric : {false, true}) {
        const QuantRange range = activation_quant_range(bits);
        const QuantParams p = choose_quant_params(low, high, range, symmetric);
        EXPECT_GE(p.zero_point, range.minimum);
        EXPECT_LE(p.zero_point, range.maximum);
        const double top = static_cast<double>(range.maximum - p.zero_point) * static_cast<double>(p.scale);
        const double bottom = static_cast<double>(range.minimum - p.zero_point) * static_cast<double>(p.scale);
        EXPECT_GE(top, std::max(high, 0.0) - static_cast<double>(p.scale) * 0.51);
        EXPECT_LE(bottom, std::min(low, 0.0) + static_cast<double>(p.scale) * 0.51);
      }
    }
  }
}

TEST(QuantParams, SymmetricRangesHaveTheirZeroInTheMiddleOrAtTheEnd) {
  EXPECT_EQ(choose_quant_params(-1, 0.5, {0, 255}, true).zero_point, 128);
  EXPECT_FLOAT_EQ(choose_quant_params(-1, 0.5, {0, 255}, true).scale, 1.0F / 127);
  EXPECT_EQ(choose_quant_params(0.1, 2, {0, 255}, true), (QuantParams{2.0F / 255, 0}));
  EXPECT_EQ(choose_quant_params(-2, 1, {-127, 127}, true), (QuantParams{2.0F / 127, 0}));
  EXPECT_EQ(choose_quant_params(-2, 1, {-1, 1}, true), (QuantParams{2.0F, 0}));
}

TEST(QuantParams, EmptyAndTinyRangesStayUsable) {
  EXPECT_EQ(choose_quant_params(0, 0, {0, 255}, false), (QuantParams{1, 0}));
  EXPECT_EQ(choose_quant_params(0, 0, {-127, 127}, true), (QuantParams{1, 0}));
  EXPECT_EQ(choose_quant_params(INFINITY, -INFINITY, {0, 255}, false), (QuantParams{1, 0}));
  EXPECT_EQ(choose_quant_params(0, 1e-44, {0, 255}, false).scale, 1);
}

TEST(QuantParams, WeightRangesByWidth) {
  EXPECT_EQ(weight_quant_range(8, true), (QuantRange{-127, 127}));
  EXPECT_EQ(weight_quant_range(8, false), (QuantRange{-128, 127}));
  EXPECT_EQ(weight_quant_range(2, true), (QuantRange{-1, 1}));
  EXPECT_EQ(activation_quant_range(4), (QuantRange{0, 15}));
  EXPECT_EQ(activation_quant_range(4, ZeroPoint::symmetric), (QuantRange{0, 15}));
  EXPECT_EQ(activation_quant_range(4, ZeroPoint::middle), (QuantRange{-8, 7}));
}

TEST(QuantLayers, KnowsWeightAndAxisOfEachOperator) {
  Graph graph = parse_graph(R"text(graph {
  param %w "w": f32[8, 4, 3, 3]
  param %l "l": f32[5, 8]
  param %m "m": f32[8, 6]
  param %e "e": f32[3, 8]
  input %x: f32[2, 4, 9, 9]
  input %y: f32[2, 8]
  %conv: f32[2, 8, 7, 7] = aten.conv2d.default(input=%x, weight=%w)
  %linear: f32[2, 5] = aten.linear.default(input=%y, weight=%l)
  %matmul: f32[2, 6] = aten.matmul.default(self=%y, other=%m)
  %both: f32[2, 2] = aten.matmul.default(self=%y, other=%y)
  %shared: f32[2, 2] = aten.einsum.default(equation="ij,kj->ik", tensors=[%y, %y])
  %stored: f32[2, 3] = aten.einsum.default(equation="ni,oi->no", tensors=[%y, %e])
  %outer: f32[2, 8, 2, 8] = aten.einsum.default(equation="ij,kl->ijkl", tensors=[%y, %y])
  %diagonal: f32[2] = aten.einsum.default(equation="ii,ij->i", tensors=[%both, %y])
  %heads: f32[1, 1, 2, 8] = aten.view.default(self=%y, size=[1, 1, 2, 8])
  %attention: f32[1, 1, 2, 8] = aten.scaled_dot_product_attention.default(query=%heads, key=%heads, value=%heads)
  %relu: f32[2, 8] = aten.relu.default(self=%y)
  %made: f32[8, 4, 3, 3] = aten.relu.default(self=%w)
  %computed: f32[2, 8, 7, 7] = aten.conv2d.default(input=%x, weight=%made)
})text");
  const auto layer = [&](const char* name) { return find_quant_layer(graph, graph.find_node(name)); };
  EXPECT_EQ(layer("conv")->channel_axis, 0);
  EXPECT_EQ(layer("conv")->weight()->argument, 1u);
  EXPECT_EQ(layer("linear")->channel_axis, 0);
  EXPECT_EQ(layer("matmul")->channel_axis, 1);
  EXPECT_EQ(layer("both")->activations.size(), 2u);
  EXPECT_EQ(layer("both")->activations[0].zero_point, ZeroPoint::symmetric);
  EXPECT_EQ(layer("both")->activations[1].zero_point, ZeroPoint::middle);
  ASSERT_EQ(layer("attention")->activations.size(), 2u) << "queries and keys; values meet probabilities";
  EXPECT_EQ(layer("attention")->activations[0].use.argument, 0u);
  EXPECT_EQ(layer("attention")->activations[1].use.argument, 1u);
  EXPECT_EQ(layer("attention")->activations[0].zero_point, ZeroPoint::middle);
  EXPECT_TRUE(layer("attention")->weights.empty());
  ASSERT_EQ(layer("shared")->activations.size(), 2u);
  EXPECT_EQ(layer("shared")->activations[1].use.element, 1u);
  EXPECT_EQ(layer("shared")->activations[1].zero_point, ZeroPoint::middle);
  ASSERT_TRUE(layer("stored")->weight());
  EXPECT_EQ(layer("stored")->weight()->element, 1u);
  EXPECT_EQ(layer("stored")->channel_axis, 0);
  EXPECT_FALSE(layer("outer")) << "nothing is summed over";
  EXPECT_FALSE(layer("diagonal"));
  EXPECT_FALSE(layer("relu"));
  EXPECT_FALSE(layer("computed"));
}

Model quantized_linear(std::int64_t quant_min, std::int64_t quant_max) {
  Model model;
  model.graph = parse_graph(R"text(graph {
  param %w "w": f32[5, 8]
  param %b "b": f32[5]
  constant %s "s": f32[5]
  constant %z "z": i32[5]
  input %x: f32[2, 8]
  %q: f32[5, 8] = aten.fake_quantize_per_channel_affine.default(self=%w, scale=%s, zero_point=%z, axis=0, quant_min=)text" +
                            std::to_string(quant_min) + ", quant_max=" + std::to_string(quant_max) + R"text()
  %y: f32[2, 5] = aten.linear.default(input=%x, weight=%q, bias=%b)
  output %y
})text");
  model.weights.set("w", test::noise({5, 8}, 1));
  model.weights.set("b", test::noise({5}, 2));
  const auto [scale, zero] = choose_channel_params(model.weights.get("w"), 0, {quant_min, quant_max}, false);
  model.weights.set("s", scale);
  model.weights.set("z", zero);
  return model;
}

TEST(QuantizedWeights, GiveBackTheFakeQuantisedValuesBitForBit) {
  for (const auto& [low, high, bits] : std::vector<std::tuple<int, int, int>>{{-128, 127, 8}, {-127, 127, 8}, {-8, 7, 4}, {-1, 1, 2}}) {
    const Model model = quantized_linear(low, high);
    const auto list = quantized_weights(model);
    ASSERT_EQ(list.size(), 1u);
    const QuantizedWeight& q = list[0];
    EXPECT_EQ(q.name, "w");
    EXPECT_EQ(q.bits, bits);
    EXPECT_EQ(q.grid.axis, 0);
    const at::Tensor integers = q.integers();
    EXPECT_EQ(integers.scalar_type(), at::kChar);
    EXPECT_GE(integers.min().item<int>(), low);
    EXPECT_LE(integers.max().item<int>(), high);
    const at::Tensor back = (integers.to(at::kFloat) - q.grid.zero_point.view({5, 1}).to(at::kFloat)) * q.grid.scale.view({5, 1});
    EXPECT_TRUE(back.equal(at::fake_quantize_per_channel_affine(model.weights.get("w"), q.grid.scale, q.grid.zero_point, 0, low, high)));
  }
}

TEST(QuantizedWeights, CountTheirRealWidth) {
  const std::int64_t rest = 5 * 4 + 5 * 4 + 5 * 4;  // bias, scales, zero points
  EXPECT_EQ(weight_bytes(quantized_linear(-127, 127)), 40 * 4 + rest);
  EXPECT_EQ(stored_bytes(quantized_linear(-127, 127)), 40 + rest);
  EXPECT_EQ(stored_bytes(quantized_linear(-8, 7)), 20 + rest);
}

TEST(QuantizedWeights, LeaveOutWhatIsUsedInFloatToo) {
  Model model = quantized_linear(-127, 127);
  model.graph.add_output(OutputKind::user, model.graph.find_value("w"));
  EXPECT_TRUE(quantized_weights(model).empty());
}

}  // namespace
}  // namespace dsc
