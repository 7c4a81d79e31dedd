// mode: dynamic
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "deploy/openvino_engine.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "passes/quantize/trained_network.h"

namespace dsc {
namespace {

using test::distance, test::FakeContext, test::quantize, test::run_model;

at::Tensor tokens(std::int64_t count, std::int64_t row) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(3);
  return at::randn({count, row}, generator) + 0.3;
}

// Rows of 48 and 32: groups of 16.
Model network() { return test::tiny_mlp(1, {.inputs = 48, .hidden = 32, .classes = 5}); }

// Every `group` neighbours to integers up to 127 by their largest value.
at::Tensor on_own_grids(const at::Tensor& x, std::int64_t group) {
  at::Tensor y = x.contiguous().clone();
  auto* values = y.data_ptr<float>();
  for (std::int64_t begin = 0; begin < y.numel(); begin += group) {
    float largest = 1e-5F;
    for (std::int64_t i = begin; i < begin + group; ++i) largest = std::max(largest, std::abs(values[i]));
    const float scale = largest / 127;
    for (std::int64_t i = begin; i < begin + group; ++i) values[i] = std::nearbyint(values[i] * (1 / scale)) * scale;
  }
  return y;
}

TEST(QuantizeDynamic, RoundsEveryGroupOfATokenByItsLargestValue) {
  Model model = network();
  FakeContext context(model);
  const auto result = quantize("{mode: dynamic}").run(model, context);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_EQ(test::statistic(result, "quantized_weights"), 3);
  EXPECT_EQ(test::statistic(result, "activation_quantizers"), 3);
  EXPECT_EQ(result.tables.at(0).rows.at(0).at(4), "group 16");
  const auto weights = quantized_weights(model);
  const auto layer = [&](const at::Tensor& x, std::size_t i) {
    const std::string name = "fc" + std::to_string(i + 1);
    return at::linear(on_own_grids(x, 16), snap_to_grid(model.weights.get(name + ".weight"), weights.at(i).grid), model.weights.get(name + ".bias"));
  };
  const at::Tensor x = tokens(7, 48);
  EXPECT_LT(distance(run_model(model, x), layer(layer(layer(x, 0).relu(), 1).relu(), 2)), 1e-5);
}

// OpenVINO has kernels for it on processors with VNNI; elsewhere it computes with the activations as they are.
TEST(QuantizeDynamic, EnginesAgreeOnTheIntegers) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  Model model = network(), weights_alone = network();
  FakeContext context(model);
  const at::Tensor x = tokens(64, 48), plain = run_model(model, x);
  quantize("{mode: dynamic}").run(model, context);
  const at::Tensor expected = run_model(model, x), found = make_openvino_engine(model)->run({x}).at(0);
  EXPECT_GT(distance(plain, expected), 2e-3) << "quantising shows";
  quantize("{mode: weight_only}").run(weights_alone, context);
  const bool takes_activations_as_they_are = distance(found, run_model(weights_alone, x)) < 1e-5;
  if (!takes_activations_as_they_are) {
    EXPECT_LT(distance(found, expected), 1e-5);
  }
}

TEST(QuantizeDynamic, LeavesInputsThatNoKernelTakes) {
  Model model = test::tiny_mlp(1, {.inputs = 20, .hidden = 32, .classes = 5});
  FakeContext context(model);
  const auto result = quantize("{mode: dynamic}").run(model, context);
  EXPECT_EQ(test::statistic(result, "quantized_weights"), 3);
  EXPECT_EQ(test::statistic(result, "activation_quantizers"), 2);
}

TEST(QuantizeDynamic, OptionsOfRangesAreErrors) {
  EXPECT_THROW(quantize("{mode: dynamic, activations: {bits: 4}}"), Error);
  EXPECT_THROW(quantize("{mode: dynamic, layers: [{select: fc1, activations: {observer: mse}}]}"), Error);
  EXPECT_THROW(quantize("{mode: dynamic, target: onnxruntime_cpu}"), Error);
}

}  // namespace
}  // namespace dsc
