// Recurrent layers: integers for the matrices of every layer and direction, states in floating point.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "deploy/openvino_engine.h"
#include "exec/executor.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "passes/quantize/trained_network.h"
#include "support/tiny_transformer.h"

namespace dsc {
namespace {

using test::distance, test::FakeContext, test::quantize;

// Two directions of an LSTM, then a GRU of two layers over ids [N, 6], scores of its last state.
constexpr const char* kRecurrentGraph = R"text(graph {
  param %words "words.weight": f32[11, 8]
  param %a1 "lstm.ih": f32[32, 8]
  param %a2 "lstm.hh": f32[32, 8]
  param %a3 "lstm.bih": f32[32]
  param %a4 "lstm.bhh": f32[32]
  param %b1 "lstm.ih_reverse": f32[32, 8]
  param %b2 "lstm.hh_reverse": f32[32, 8]
  param %b3 "lstm.bih_reverse": f32[32]
  param %b4 "lstm.bhh_reverse": f32[32]
  param %g1 "gru.ih_0": f32[24, 16]
  param %g2 "gru.hh_0": f32[24, 8]
  param %g3 "gru.ih_1": f32[24, 8]
  param %g4 "gru.hh_1": f32[24, 8]
  param %w "head.weight": f32[3, 8]
  input %ids: i64[s0{2}, 6]
  input %mask: i64[s0, 6]
  %n: sym_int s0{2} = aten.sym_size.int(self=%ids, dim=0)
  %rows: f32[s0{2}, 6, 8] = aten.embedding.default(weight=%words, indices=%ids)
  %present: i64[s0{2}, 6, 1] = aten.unsqueeze.default(self=%mask, dim=-1)
  %x: f32[s0{2}, 6, 8] = aten.mul.Tensor(self=%rows, other=%present)
  %h: f32[2, s0{2}, 8] = aten.zeros.default(size=[2, %n, 8])
  %y: f32[s0{2}, 6, 16], %hn: f32[2, s0{2}, 8], %cn: f32[2, s0{2}, 8] = aten.lstm.input(input=%x, hx=[%h, %h], params=[%a1, %a2, %a3, %a4, %b1, %b2, %b3, %b4], has_biases=true, num_layers=1, dropout=0.0, train=false, bidirectional=true, batch_first=true)
  %z: f32[s0{2}, 6, 8], %last: f32[2, s0{2}, 8] = aten.gru.input(input=%y, hx=%h, params=[%g1, %g2, %g3, %g4], has_biases=false, num_layers=2, dropout=0.0, train=false, bidirectional=false, batch_first=true)
  %top: f32[s0{2}, 8] = aten.select.int(self=%last, dim=0, index=1)
  %scores: f32[s0{2}, 3] = aten.linear.default(input=%top, weight=%w)
  output %scores
})text";

Model recurrent_network() {
  Model model;
  model.graph = parse_graph(kRecurrentGraph);
  at::manual_seed(1);
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::user) continue;
    std::vector<std::int64_t> sizes;
    for (const Dim& dim : input.value->tensor().sizes) sizes.push_back(dim.size);
    model.weights.set(input.target, at::randn(sizes) * 0.4);
  }
  return model;
}

class QuantizeRecurrent : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  at::Tensor scores(const Model& m) const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    return Executor(m, {}).run(data.batch(all, {}).inputs).at(0);
  }

  test::TokenDataset data{64, 1};
  Model model = recurrent_network();
  FakeContext context{model, {.train = &data}};
};

TEST_F(QuantizeRecurrent, WeightsOfEveryLayerAndDirectionBecomeIntegers) {
  for (const auto& [options, bits, worst] : std::vector<std::tuple<std::string, std::int64_t, double>>{
           {"{}", 8, 0.05}, {"{mode: weight_only, weights: {bits: 4, group_size: 4}}", 4, 0.3}, {"{mode: dynamic}", 8, 0.05},
           {"{mode: weight_only, rounding: gptq}", 8, 0.05}}) {
    Model copy = model.clone();
    quantize(options).run(copy, context);
    EXPECT_TRUE(verify(copy).empty()) << options;
    std::int64_t matrices = 0;
    for (const QuantizedWeight& weight : quantized_weights(copy)) {
      if (!weight.name.starts_with("lstm.") && !weight.name.starts_with("gru.")) continue;
      ++matrices;
      EXPECT_EQ(weight.bits, bits) << options << " " << weight.name;
    }
    EXPECT_EQ(matrices, 8) << options;
    EXPECT_LT(distance(scores(copy), scores(model)), worst) << options;
  }
}

TEST_F(QuantizeRecurrent, QatDeploysWhatItValidated) {
  for (const char* steps : {"", ", learned_steps: true"}) {
    Model trained = model.clone();
    FakeContext own{model, {.train = &data, .valid = &data}};
    at::Tensor last;
    own.metrics = [&](const Model& now, const Dataset&, std::int64_t) {
      last = scores(now);
      return Metrics{{"top1", 0}};
    };
    quantize(std::string("{mode: qat, epochs: 2, batch: 32, optimizer: {adam: {lr: 0.01}}") + steps + "}").run(trained, own);
    EXPECT_TRUE(verify(trained).empty());
    EXPECT_LT(distance(scores(trained), last), 1e-5) << steps;
    EXPECT_GT(distance(scores(trained), scores(model)), 1e-3) << "it trained";
    EXPECT_EQ(quantized_weights(trained).size(), 10u) << steps;
  }
}

TEST_F(QuantizeRecurrent, OpenVinoComputesTheSame) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  const auto inputs = data.batch(std::vector<std::int64_t>{0, 1, 2, 3}, {}).inputs;
  for (const auto& [options, worst] : std::vector<std::pair<std::string, double>>{
           {"{mode: weight_only}", 1e-4}, {"{mode: weight_only, weights: {bits: 4, group_size: 4}}", 1e-4},
           {"{mode: weight_only, layers: [{select: '**', operator: lstm, precision: bf16}]}", 2e-2}}) {
    Model copy = model.clone();
    quantize(options).run(copy, context);
    EXPECT_TRUE(verify(copy).empty()) << options;
    EXPECT_LT(distance(make_openvino_engine(copy)->run(inputs).at(0), Executor(copy, {}).run(inputs).at(0)), worst) << options;
  }
}

}  // namespace
}  // namespace dsc
