#include "ops/pair_sums.h"
#include "passes/quantize/live_norms.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "exec/kernels/fake_quant.h"
#include "exec/kernels/live_batch_norm.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/quantize/trained_network.h"
#include "passes/quantize/training.h"

namespace dsc {
namespace {

using test::distance, test::FakeContext, test::quantize, test::run_model;

class LiveNorms : public test::TrainedNetwork {
 protected:
  void prepare(Model& any, bool live) const {
    const auto norms = quantize::fold_and_remember(any);
    const auto precisions = quantize::resolve_precisions(any, options);
    quantize::insert_observing_quantizers(any, quantize::place(any, precisions, options), precisions);
    if (live) quantize::bring_back_norms(any, norms, precisions);
  }
  // Passes in training mode, which move ranges and, as the phase says, statistics.
  void see_batches(Model& any, bool statistics) const {
    any.weights.get(quantize::kPhase)[kBatchStatistics].fill_(statistics ? 1 : 0);
    Executor executor(any, {.training = true});
    for (int i = 0; i < 4; ++i) executor.run({data.inputs().slice(0, 64 * i, 64 * (i + 1)) * 1.5 + 0.2});
    executor.store_weights(any);
  }
  quantize::Options options = [] {
    quantize::Options o;
    o.mode = quantize::Mode::qat;
    return o;
  }();
};

TEST_F(LiveNorms, StartAsTheFoldedNetwork) {
  Model folded = model.clone(), live = model.clone();
  prepare(folded, false);
  prepare(live, true);
  EXPECT_TRUE(verify(live).empty());
  EXPECT_EQ(test::count(live, kLiveBatchNorm), 6);
  EXPECT_LT(distance(run_model(live, valid.inputs()), run_model(folded, valid.inputs())), 1e-5);
}

TEST_F(LiveNorms, FoldToTheNetworkThatWasTrained) {
  prepare(model, true);
  at::Tensor gamma = model.weights.get("layer1.0.bn1.weight").clone();
  gamma[0].zero_();
  gamma[1].mul_(-1);
  model.weights.set("layer1.0.bn1.weight", gamma);
  see_batches(model, true);
  const at::Tensor trained = run_model(model, valid.inputs());
  quantize::fold_live_norms(model);
  EXPECT_EQ(test::count(model, kLiveBatchNorm), 0);
  EXPECT_FALSE(model.weights.has("layer1.0.bn1.weight"));
  EXPECT_TRUE(verify(model).empty());
  quantize::finish_training_quantizers(model);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_LT(distance(run_model(model, valid.inputs()), trained), 1e-4);
}

// Plain loops' meaning of the statistics: those of what the layer makes with the weight it is deployed with.
TEST_F(LiveNorms, FollowTheStatisticsOfTheQuantisedLayerUntilFrozen) {
  prepare(model, true);
  const at::Tensor before = model.weights.get("bn1.running_mean").clone(), variance = model.weights.get("bn1.running_var").clone();
  see_batches(model, false);
  EXPECT_TRUE(model.weights.get("bn1.running_mean").equal(before));
  const at::Tensor scale = model.weights.get("bn1.weight") * (variance + 1e-5).rsqrt(), weight = model.weights.get("conv1.weight");
  const at::Tensor whole = weight * scale.view({-1, 1, 1, 1}), 
                   step = at::maximum(whole.abs().amax({1, 2, 3}), largest_pair_sums(whole, 0, 1)).view({-1, 1, 1, 1}) / 127;
  const at::Tensor deployed = (whole / step).round() * step / scale.view({-1, 1, 1, 1});
  const at::Tensor x = data.inputs().slice(0, 0, 64);
  const auto* r = model.weights.get("quant_range.0").const_data_ptr<float>();
  const QuantParams params = choose_quant_params(r[kRangeMin], r[kRangeMax], activation_quant_range(8), false);
  const at::Tensor seen = at::fake_quantize_per_tensor_affine(x, static_cast<double>(params.scale), params.zero_point, 0, 255);
  const at::Tensor expected = 0.9 * before + 0.1 * at::conv2d(seen, deployed, {}, 1, 1).mean(at::IntArrayRef{0, 2, 3});
  model.weights.get(quantize::kPhase)[kBatchStatistics].fill_(1);
  model.weights.get(quantize::kPhase)[kObserve].fill_(0);
  Executor executor(model, {.training = true});
  executor.run({x});
  executor.store_weights(model);
  EXPECT_TRUE(model.weights.get("bn1.running_mean").allclose(expected, 1e-4, 1e-5));
}

// Weight [I, O/G, 2, 2] of a transposed convolution: channel c = g * O/G + o scales the rows of group g, by plain loops.
class TransposedNorms : public testing::TestWithParam<std::vector<std::int64_t>> {};

TEST_P(TransposedNorms, ScaleTheChannelsOfEveryGroup) {
  const std::int64_t inputs = GetParam()[0], outputs = GetParam()[1], groups = GetParam()[2], columns = outputs / groups;
  const auto dims = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + ", " + std::to_string(b); };
  const std::string o = std::to_string(outputs);
  Model model;
  model.graph = parse_graph("graph {\n  param %w \"t.weight\": f32[" + dims(inputs, columns) + ", 2, 2] grad\n  param %g \"bn.weight\": f32[" + o +
                            "] grad\n  param %b \"bn.bias\": f32[" + o + "] grad\n  buffer %m \"bn.running_mean\": f32[" + o +
                            "]\n  buffer %v \"bn.running_var\": f32[" + o + "]\n  input %x: f32[s0{2}, " + std::to_string(inputs) +
                            ", 3, 3]\n  %y: f32[s0{2}, " + o + ", 4, 4] = aten.conv_transpose2d.input(input=%x, weight=%w, bias=None, stride=[1, 1], padding=[0, 0], "
                            "output_padding=[0, 0], groups=" + std::to_string(groups) + ") @t\n  %z: f32[s0{2}, " + o +
                            ", 4, 4] = aten.batch_norm.default(input=%y, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=false, momentum=0.1, "
                            "eps=1e-05, cudnn_enabled=false) @bn\n  output %z\n}");
  model.weights.set("t.weight", test::noise({inputs, columns, 2, 2}, 1));
  model.weights.set("bn.weight", test::noise({outputs}, 2).abs() + 0.3);
  model.weights.set("bn.bias", test::noise({outputs}, 3));
  model.weights.set("bn.running_mean", test::noise({outputs}, 4));
  model.weights.set("bn.running_var", test::noise({outputs}, 5).abs() + 0.3);
  const at::Tensor x = test::noise({2, inputs, 3, 3}, 6);
  const Model before = model.clone();
  quantize::Options options;
  options.mode = quantize::Mode::qat;
  const auto norms = quantize::fold_and_remember(model);
  ASSERT_EQ(norms.size(), 1U);
  const auto precisions = quantize::resolve_precisions(model, options);
  quantize::insert_observing_quantizers(model, quantize::place(model, precisions, options), precisions);
  quantize::bring_back_norms(model, norms, precisions);
  EXPECT_EQ(test::count(model, kLiveBatchNorm), 1);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_TRUE(model.weights.get("t.weight").equal(before.weights.get("t.weight")));
  model.weights.get(quantize::kPhase)[kBatchStatistics].fill_(0);
  Executor executor(model, {.training = true});
  executor.run({x});  // sees the ranges
  executor.store_weights(model);
  // 8 bits change little: the live network is the original one.
  EXPECT_LT(distance(run_model(model, x), run_model(before, x)), 0.03);

  quantize::fold_live_norms(model);
  const at::Tensor folded = model.weights.get("t.weight"), w = before.weights.get("t.weight");
  for (std::int64_t row = 0; row < inputs; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::int64_t channel = row / (inputs / groups) * columns + column;
      const double scale = before.weights.get("bn.weight")[channel].item<double>() / std::sqrt(before.weights.get("bn.running_var")[channel].item<double>() + 1e-5);
      EXPECT_TRUE(folded[row][column].allclose(w[row][column] * scale, 1e-5, 1e-6)) << row << " " << column;
    }
  }
  quantize::finish_training_quantizers(model);
  EXPECT_LT(distance(run_model(model, x), run_model(before, x)), 0.03);
}

// Inputs, outputs, groups: as many inputs as outputs, more, fewer, in groups, one a channel, one a channel of several outputs.
INSTANTIATE_TEST_SUITE_P(Shapes, TransposedNorms, testing::Values(std::vector<std::int64_t>{6, 6, 1}, std::vector<std::int64_t>{4, 6, 1}, std::vector<std::int64_t>{8, 4, 1},
                                                                  std::vector<std::int64_t>{6, 6, 2}, std::vector<std::int64_t>{4, 6, 2},
                                                                  std::vector<std::int64_t>{4, 4, 4}, std::vector<std::int64_t>{4, 8, 4}));

TEST_F(LiveNorms, QatTrainsThemAndDeploysWhatItValidated) {
  for (const std::string more : {"", ", learned_steps: true, calibration: {samples: 64}"}) {
    Model trained = model.clone();
    FakeContext context(model, {.train = &data, .valid = &valid});
    at::Tensor last;
    context.metrics = [&](const Model& now, const Dataset& dataset, std::int64_t limit) {
      EXPECT_EQ(test::count(now, kLiveBatchNorm), 6);
      last = run_model(now, valid.inputs());
      return test::evaluate_classifier(now, dataset, limit);
    };
    const auto pass = quantize("{mode: qat, epochs: 2, batch: 32, freeze_batch_norm: 0.5, freeze_observers: 1, optimizer: {sgd: {lr: 0.02}}" + more + "}");
    pass.run(trained, context);
    EXPECT_TRUE(verify(trained).empty());
    EXPECT_EQ(test::count(trained, "aten.fake_quantize_per_channel_affine.default"), 7) << more;
    EXPECT_LT(distance(run_model(trained, valid.inputs()), last), 1e-3) << more;
    EXPECT_GE(top1(trained), top1(model) - 0.03) << more;
  }
}

TEST_F(LiveNorms, OfVectorsNeedTwoExamples) {
  test::ModelBuilder build(1);
  const Model vectors = build.finish(build.linear(build.batch_norm(build.linear(build.input("x", {8}), "fc1", 8, 16), "bn1"), "fc2", 16, 4));
  auto examples = test::synthetic_classes(8);
  const auto message = [&](const std::string& more) -> std::string {
    Model trained = vectors.clone();
    FakeContext context(vectors, {.train = &examples});
    try {
      quantize("{mode: qat, epochs: 1, batch: 1, optimizer: {sgd: {lr: 0.001}}" + more + "}").run(trained, context);
    } catch (const Error& error) {
      return error.to_text();
    }
    return "";
  };
  EXPECT_NE(message("").find("batch norm of `bn1.weight` cannot be trained on a batch of one"), std::string::npos) << message("");
  EXPECT_EQ(message(", freeze_batch_norm: 1"), "");
}

}  // namespace
}  // namespace dsc
