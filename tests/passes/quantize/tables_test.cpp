// Embeddings: tables of integers whose rows are read, and rows that are quantised where they are read while training.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include "deploy/openvino_engine.h"
#include "exec/executor.h"
#include "exec/kernels/fake_quant.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "passes/quantize/trained_network.h"
#include "support/tiny_transformer.h"

namespace dsc {
namespace {

using test::count, test::distance, test::FakeContext, test::quantize;

constexpr const char* kSenseTable = "embeddings.words.weight";

class QuantizeTables : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  std::vector<at::Tensor> inputs() const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    return data.batch(all, {}).inputs;
  }
  at::Tensor scores(const Model& m) const { return Executor(m, {}).run(inputs()).at(0); }
  static const QuantizedWeight& table(const std::vector<QuantizedWeight>& weights) {
    return *std::find_if(weights.begin(), weights.end(), [](const auto& weight) { return weight.name == kSenseTable; });
  }

  test::TokenDataset data{64, 1};
  Model model = test::tiny_transformer();
  FakeContext context{model, {.train = &data}};
};

TEST_F(QuantizeTables, HaveEightBitsUnlessARuleNamesThem) {
  for (const auto& [options, bits, worst] : std::vector<std::tuple<std::string, std::int64_t, double>>{
           {"{weights: {bits: 8}}", 8, 0.05},
           {"{mode: weight_only, weights: {bits: 4, group_size: 4}}", 8, 0.3},
           {"{mode: weight_only, rounding: gptq, bias_correction: true}", 8, 0.05},
           {"{mode: dynamic}", 8, 0.05},
           {"{layers: [{select: '**', operator: embedding, weights: {bits: 4}}]}", 4, 0.3},
           {"{layers: [{select: embeddings.words, weights: {bits: 4, group_size: 4}}], mode: weight_only}", 4, 0.3}}) {
    Model copy = model.clone();
    quantize(options).run(copy, context);
    EXPECT_TRUE(verify(copy).empty()) << options;
    const auto weights = quantized_weights(copy);
    EXPECT_EQ(table(weights).bits, bits) << options;
    EXPECT_LT(distance(scores(copy), scores(model)), worst) << options;
  }
}

TEST_F(QuantizeTables, RowsThatAreReadEqualThoseOfAQuantisedTable) {
  register_fake_quant_operators();
  const at::Tensor weight = model.weights.get(kSenseTable).detach().clone(), ids = inputs().at(0);
  const auto grid = choose_channel_params(weight, 0, weight_quant_range(4, true), true);
  const at::Tensor wanted = at::fake_quantize_per_channel_affine(weight, grid.scale, grid.zero_point, 0, -7, 7).index_select(0, ids.flatten());
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("dscompress::fake_quant_weight", "");
  const auto round = op.typed<at::Tensor(const at::Tensor&, const at::Tensor&, std::int64_t, std::int64_t, std::int64_t, bool, std::int64_t)>();
  const at::Tensor rows = weight.index_select(0, ids.flatten()).view({ids.size(0), ids.size(1), -1}).requires_grad_();
  const at::Tensor found = round.call(rows, make_quant_phase(), kRowGrids, -7, 7, true, -1);
  EXPECT_TRUE(found.view_as(wanted).equal(wanted));
  found.sum().backward();
  EXPECT_TRUE(rows.grad().equal(at::ones_like(rows)));
}

TEST_F(QuantizeTables, QatDeploysWhatItValidated) {
  const std::string qat = "{mode: qat, epochs: 2, batch: 32, optimizer: {adam: {lr: 0.01}}, layers: [{select: '**', operator: embedding, weights: {bits: 4}}]";
  for (const char* steps : {"", ", learned_steps: true"}) {
    Model trained = model.clone();
    FakeContext own{model, {.train = &data, .valid = &data}};
    at::Tensor last;
    own.metrics = [&](const Model& now, const Dataset&, std::int64_t) {
      last = scores(now);
      return Metrics{{"top1", 0}};
    };
    quantize(qat + steps + "}").run(trained, own);
    EXPECT_TRUE(verify(trained).empty());
    EXPECT_TRUE(scores(trained).equal(last)) << steps;
    EXPECT_EQ(table(quantized_weights(trained)).bits, 4) << steps;
    EXPECT_EQ(count(trained, kFakeQuantWeight), 0) << steps;
  }
}

TEST_F(QuantizeTables, OpenVinoReadsThemAsTheyAre) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  for (const char* options : {"{mode: weight_only}", "{mode: weight_only, weights: {symmetric: false}}",
                              "{mode: weight_only, layers: [{select: '**', operator: embedding, weights: {bits: 4}}]}"}) {
    Model copy = model.clone();
    quantize(options).run(copy, context);
    EXPECT_LT(distance(make_openvino_engine(copy)->run(inputs()).at(0), scores(copy)), 1e-4) << options;
  }
}

}  // namespace
}  // namespace dsc
