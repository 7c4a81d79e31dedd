// Rules, modes and corrections of `quantize`, on a trained network.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "deploy/openvino_engine.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "passes/quantize/training.h"
#include "passes/quantize/trained_network.h"

namespace dsc {
namespace {

using test::count, test::distance, test::FakeContext, test::quantize, test::run_model, test::statistic, test::trained_network;

class QuantizePrecisions : public test::TrainedNetwork {
 protected:
  PassResult run(Model& to, const std::string& yaml) {
    FakeContext context(model, {.train = &data, .valid = &valid});
    auto result = quantize(yaml).run(to, context);
    EXPECT_TRUE(verify(to).empty()) << yaml;
    return result;
  }
};

// Module and kind -> bits, from the report.
std::map<std::string, std::string> bits_of(const PassResult& result) {
  std::map<std::string, std::string> bits;
  for (const auto& row : result.tables.at(0).rows) bits[row.at(0) + " " + row.at(2)] = row.at(3);
  return bits;
}

TEST_F(QuantizePrecisions, LastMatchingRuleDecidesAndTheRestIsInherited) {
  const auto result = run(model, "{weights: {bits: 6}, layers: [{select: 'layer1.**', weights: {bits: 4}}, "
                                 "{select: '**.conv2', weights: {bits: 3}, activations: {bits: 5}}, {select: fc, precision: f32}]}");
  const auto bits = bits_of(result);
  EXPECT_EQ(bits.at("conv1 weight"), "6");
  EXPECT_EQ(bits.at("layer1.0.conv1 weight"), "4");
  EXPECT_EQ(bits.at("layer1.0.conv2 weight"), "3");
  EXPECT_EQ(bits.at("layer2.0.conv2 weight"), "3");
  EXPECT_EQ(bits.at("layer1.0.conv2 activation"), "5");
  EXPECT_EQ(bits.at("layer1.0.conv1 activation"), "8");
  EXPECT_FALSE(bits.contains("fc weight"));
}

TEST_F(QuantizePrecisions, RulesByOperator) {
  EXPECT_EQ(statistic(run(model, "{layers: [{operator: 'conv*', precision: f32}]}"), "quantized_weights"), 1);
}

TEST_F(QuantizePrecisions, RulesThatMatchNothingAreErrors) {
  const auto problems = quantize("{layers: [{select: 'layer1.**'}, {select: 'layer3.**'}, {select: fc, operator: conv2d}]}").check(model);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].place.pointer, "/layers/1/select");
  EXPECT_EQ(problems[1].place.pointer, "/layers/2/select");
}

// Layers of different widths that read one value have a quantiser each.
TEST_F(QuantizePrecisions, OneValueInTwoPrecisions) {
  run(model, "{layers: [{select: 'layer2.0.downsample.*', activations: {bits: 4}}]}");
  const Node* convolution = nullptr;
  for (const Node* node : model.graph.nodes()) {
    if (node->module_path() == "layer2.0.downsample.0" && node->op() == "aten.conv2d") convolution = node;
  }
  const Node* quantizer = convolution->find_value("input")->producer();
  EXPECT_EQ(std::get<std::int64_t>(*quantizer->find_argument("quant_max")), 15);
  EXPECT_EQ(quantizer->find_value("self")->uses().size(), 2u);
}

TEST_F(QuantizePrecisions, SmallFloatsForSomeLayers) {
  const at::Tensor before = run_model(model, valid.inputs());
  run(model, "{layers: [{select: 'layer1.**', precision: bf16}, {select: fc, precision: bf16}]}");
  EXPECT_EQ(model.weights.get("layer1.0.conv1.weight").scalar_type(), at::kBFloat16);
  EXPECT_EQ(count(model, "aten._to_copy.default"), 6);
  const at::Tensor after = run_model(model, valid.inputs());
  EXPECT_EQ(after.scalar_type(), at::kFloat);
  EXPECT_LT(distance(after, before), 0.06);
}

TEST_F(QuantizePrecisions, WeightOnlyWithGroupsLeavesActivations) {
  const at::Tensor before = run_model(model, valid.inputs());
  const auto result = run(model, "{mode: weight_only, weights: {bits: 4, group_size: 12}}");
  EXPECT_EQ(statistic(result, "activation_quantizers"), 0);
  const auto weights = quantized_weights(model);
  ASSERT_EQ(weights.size(), 7u);
  for (const QuantizedWeight& q : weights) {
    EXPECT_GT(q.grid.group, 0) << q.name;
    EXPECT_EQ(q.bits, 4);
    EXPECT_EQ(q.integers().sizes(), model.weights.get(q.name).sizes());
  }
  EXPECT_LT(distance(run_model(model, valid.inputs()), before), 0.25);
}

TEST_F(QuantizePrecisions, RoundingByInputsIsCloserAtFewBits) {
  const at::Tensor before = run_model(model, valid.inputs());
  std::map<std::string, double> error;
  for (const std::string rounding : {"nearest", "gptq", "adaround"}) {
    Model copy = model.clone();
    run(copy, "{mode: weight_only, weights: {bits: 3}, rounding: " + rounding + ", calibration: {samples: 128}}");
    error[rounding] = distance(run_model(copy, valid.inputs()), before);
  }
  EXPECT_LT(error["gptq"], error["nearest"]);
  EXPECT_LT(error["adaround"], error["nearest"]);
}

TEST_F(QuantizePrecisions, BiasCorrectionKeepsMeans) {
  const at::Tensor before = run_model(model, data.inputs()).mean(0);
  std::map<bool, double> error;
  for (const bool corrected : {false, true}) {
    Model copy = model.clone();
    run(copy, std::string("{mode: weight_only, weights: {bits: 3}, calibration: {samples: 256}, bias_correction: ") + (corrected ? "true}" : "false}"));
    error[corrected] = (run_model(copy, data.inputs()).mean(0) - before).norm().item<double>();
  }
  EXPECT_LT(error[true], 0.7 * error[false]);
}

// A channel scaled out of proportion, as networks after training with depthwise layers have: equalisation puts it right.
TEST_F(QuantizePrecisions, EqualizationRepairsUnequalRanges) {
  const auto scale = [&](const std::string& norm, const std::string& next) {
    at::Tensor factors = at::ones({model.weights.get(norm + ".weight").size(0)});
    factors[0] = 60;
    model.weights.set(norm + ".weight", model.weights.get(norm + ".weight") * factors);
    model.weights.set(norm + ".bias", model.weights.get(norm + ".bias") * factors);
    model.weights.set(next, model.weights.get(next) / factors.view({1, -1, 1, 1}));
  };
  scale("layer1.0.bn1", "layer1.0.conv2.weight");
  scale("layer2.0.bn1", "layer2.0.conv2.weight");
  const at::Tensor before = run_model(model, valid.inputs());
  Model plain = model.clone(), equal = model.clone();
  run(plain, "{weights: {per_channel: false}}");
  run(equal, "{weights: {per_channel: false}, scaling: equalize}");
  EXPECT_LT(distance(run_model(equal, valid.inputs()), before), 0.5 * distance(run_model(plain, valid.inputs()), before));
}

TEST_F(QuantizePrecisions, EveryScalingWorks) {
  const at::Tensor before = run_model(model, valid.inputs());
  for (const char* scaling : {"equalize", "smooth", "awq"}) {
    Model copy = model.clone();
    run(copy, std::string("{calibration: {samples: 64}, scaling: ") + scaling + "}");
    EXPECT_LT(distance(run_model(copy, valid.inputs()), before), 0.08) << scaling;
  }
}

TEST_F(QuantizePrecisions, LearnedStepsBeatObservedRangesAtFewBits) {
  const std::string train = "{mode: qat, epochs: 2, batch: 32, optimizer: {sgd: {lr: 0.02}}, weights: {bits: 2}, activations: {bits: 2}";
  Model observed = model.clone(), learned = model.clone();
  run(observed, train + "}");
  run(learned, train + ", learned_steps: true}");
  EXPECT_EQ(count(learned, "aten.fake_quantize_per_channel_affine.default"), 7);
  EXPECT_EQ(count(learned, "aten.fake_quantize_per_tensor_affine.default"), 7);
  for (const std::string& name : learned.weights.names()) EXPECT_FALSE(name.starts_with("quant_")) << name;
  EXPECT_EQ(quantized_weights(learned).size(), 7u);
  EXPECT_GE(top1(learned), top1(observed));
}

TEST_F(QuantizePrecisions, LearnedStepsDeployWhatTheyValidated) {
  FakeContext context(model, {.train = &data, .valid = &valid});
  at::Tensor last;
  context.metrics = [&](const Model& trained, const Dataset& dataset, std::int64_t limit) {
    last = run_model(trained, valid.inputs());
    return test::evaluate_classifier(trained, dataset, limit);
  };
  quantize("{mode: qat, epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.01}}, learned_steps: true, weights: {bits: 4}}").run(model, context);
  const at::Tensor deployed = run_model(model, valid.inputs());
  // Folding rounds differently by parts in ten million: now and then an activation falls on the next step.
  EXPECT_LT(((deployed - last).abs() > 1e-4).to(at::kFloat).mean().item<float>(), 0.03);
  EXPECT_LT(distance(deployed, last), 5e-3);
}

TEST_F(QuantizePrecisions, ProgressiveTrainingRaisesTheShare) {
  const std::optional<quantize::Progressive> progressive{quantize::Progressive{}};
  EXPECT_EQ(quantize::quantized_share(std::nullopt, 0, 20), 1);
  EXPECT_EQ(quantize::quantized_share(progressive, 4, 20), 0);
  EXPECT_DOUBLE_EQ(quantize::quantized_share(progressive, 10, 20), 0.5);
  EXPECT_EQ(quantize::quantized_share(progressive, 15, 20), 1);
  const double before = top1(model);
  run(model, "{mode: qat, epochs: 4, batch: 32, optimizer: {sgd: {lr: 0.02}}, progressive: {}, weights: {bits: 4}}");
  EXPECT_GE(top1(model), before - 0.03);
}

TEST_F(QuantizePrecisions, TrainsTowardsATeacher) {
  const double before = top1(model);
  FakeContext context(model, {.train = &data, .valid = &valid});
  quantize("{mode: qat, epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.01}}, weights: {bits: 4}, distill: {losses: [kd]}}").run(model, context);
  EXPECT_FALSE(context.curve_values("loss_kd").empty());
  EXPECT_GE(top1(model), before - 0.05);
}

TEST_F(QuantizePrecisions, MaxDropReturnsTheMostSensitiveLayers) {
  const double before = top1(model);
  Model plain = model.clone();
  run(plain, "{weights: {bits: 2}, calibration: {samples: 64}}");
  ASSERT_LT(top1(plain), before - 0.02) << "the test needs a width that hurts";
  const auto result = run(model, "{weights: {bits: 2}, calibration: {samples: 64}, max_drop: 2pp}");
  EXPECT_GE(top1(model), before - 0.02);
  EXPECT_FALSE(result.notes.empty());
}

TEST_F(QuantizePrecisions, SensitivityFallsWithTheWidth) {
  FakeContext context(model, {.train = &data, .valid = &valid});
  const auto pass = make_quantize_quantize();
  const auto options = pass.make_options();
  const SenseTable table = pass.sense(model, options.get(), context);
  EXPECT_EQ(table.setting, "bits");
  EXPECT_EQ(table.points.size(), 3u * 7u);
  double eight = 0, two = 0;
  for (const SensePoint& point : table.points) (point.setting == 8 ? eight : point.setting == 2 ? two : eight) += point.setting == 4 ? 0 : point.value;
  EXPECT_GT(eight, two);
}

// Rows of 172 have groups of 43, with which OpenVINO's kernels that decompress weights give wrong numbers.
TEST(QuantizeWeightsOnly, GroupsOfAnyLengthRunInOpenVino) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  Model model = test::tiny_mlp(1, {.inputs = 172, .hidden = 64, .classes = 32});
  test::FakeContext context(model);
  test::quantize("{mode: weight_only, weights: {bits: 4, group_size: 64}}").run(model, context);
  EXPECT_EQ(quantized_weights(model).at(0).grid.group, 43);
  for (const std::int64_t rows : {1, 4, 48}) {
    const at::Tensor x = test::noise({rows, 172}, 3);
    EXPECT_LT(distance(make_openvino_engine(model)->run({x}).at(0), run_model(model, x)), 1e-5) << rows;
  }
}

TEST_F(QuantizePrecisions, WeightsOnlyRunInOpenVino) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  for (const char* weights : {"{bits: 4, group_size: 12}", "{bits: 4}", "{bits: 8, symmetric: false}"}) {
    Model copy = model.clone();
    run(copy, std::string("{mode: weight_only, weights: ") + weights + "}");
    const at::Tensor x = valid.inputs().slice(0, 0, 16);
    EXPECT_LT(distance(make_openvino_engine(copy)->run({x}).at(0), run_model(copy, x)), 1e-4) << weights;
  }
}

}  // namespace
}  // namespace dsc
