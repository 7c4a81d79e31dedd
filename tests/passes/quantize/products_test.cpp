// Products of two activations: what their kernels take decides where zero points may be.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <tuple>

#include "deploy/openvino_engine.h"
#include "ir/text.h"
#include "ops/arguments.h"
#include "ops/quantization.h"
#include "passes/quantize/trained_network.h"

namespace dsc {
namespace {

using test::distance, test::FakeContext, test::quantize, test::run_model;

// Queries far from zero on average, probabilities as the second operand.
Model attention_by_hand() {
  Model model{.graph = parse_graph(R"text(graph {
    param %wq "q": f32[32, 32]
    param %bq "q_bias": f32[32]
    param %wk "k": f32[32, 32]
    param %wv "v": f32[32, 32]
    input %x: f32[s0{8}, 16, 32]
    %q: f32[s0{8}, 16, 32] = aten.linear.default(input=%x, weight=%wq, bias=%bq)
    %k: f32[s0{8}, 16, 32] = aten.linear.default(input=%x, weight=%wk)
    %v: f32[s0{8}, 16, 32] = aten.linear.default(input=%x, weight=%wv)
    %kt: f32[s0{8}, 32, 16] = aten.transpose.int(self=%k, dim0=1, dim1=2)
    %scores: f32[s0{8}, 16, 16] = aten.matmul.default(self=%q, other=%kt)
    %p: f32[s0{8}, 16, 16] = aten.softmax.int(self=%scores, dim=-1)
    %pt: f32[s0{8}, 16, 16] = aten.transpose.int(self=%p, dim0=1, dim1=2)
    %vt: f32[s0{8}, 32, 16] = aten.transpose.int(self=%v, dim0=1, dim1=2)
    %y: f32[s0{8}, 32, 16] = aten.matmul.default(self=%vt, other=%pt)
    output %y
  })text")};
  for (const char* name : {"q", "k", "v"}) model.weights.set(name, test::noise({32, 32}, 1 + static_cast<std::uint64_t>(name[0])) * 0.15);
  model.weights.set("q_bias", at::full({32}, 0.8));
  return model;
}

struct QuantizeProducts : testing::Test {
  QuantizeProducts() : data(test::noise({64, 16, 32}, 5), at::zeros({64}, at::kLong)) {}
  test::MemoryDataset data;
  Model model = attention_by_hand();
};

using Grid = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // zero point, smallest and largest integer

Grid grid_of(const Model& model, const char* node, const char* argument) {
  const Node* from = model.graph.find_node(node)->find_value(argument)->producer();
  while (!is_fake_quantize(*from)) from = moved_value(*from)->producer();
  return {int_or(*from, "zero_point", -1), int_or(*from, "quant_min", -1), int_or(*from, "quant_max", -1)};
}

TEST_F(QuantizeProducts, OperandsHaveTheGridsThatKernelsTake) {
  for (const char* options : {"{mode: ptq}", "{mode: ptq, activations: {observer: minmax}}", "{mode: qat, epochs: 0, learned_steps: true}"}) {
    Model copy = model.clone();
    FakeContext context(model, {.train = &data});
    quantize(options).run(copy, context);
    EXPECT_EQ(grid_of(copy, "scores", "self"), (Grid{128, 0, 255})) << "of both signs: " << options;
    EXPECT_EQ(grid_of(copy, "scores", "other"), (Grid{0, -64, 63})) << options;
    EXPECT_EQ(grid_of(copy, "y", "self"), (Grid{128, 0, 255})) << options;
    EXPECT_EQ(grid_of(copy, "y", "other"), (Grid{0, -64, 63})) << "probabilities: " << options;
  }
}

TEST_F(QuantizeProducts, ProductsRunInInt8KernelsWithTheSameOutputs) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  const at::Tensor x = test::noise({4, 16, 32}, 6), plain = run_model(model, x);
  FakeContext context(model, {.train = &data});
  quantize("{mode: ptq}").run(model, context);
  const auto engine = make_openvino_engine(model);
  const Int8Report report = find_int8_layers(engine->layers());
  if (report.linears.int8 == 0) GTEST_SKIP() << "this CPU has no INT8 kernels";
  EXPECT_EQ(report.matmuls.total, 2);
  EXPECT_EQ(report.int8(), report.total()) << (report.others.empty() ? "" : report.others.front());
  EXPECT_LT(distance(engine->run({x}).at(0), run_model(model, x)), 0.01);
  EXPECT_LT(distance(run_model(model, x), plain), 0.05);
}

// Values on their grids already, at the ends of their ranges: integer kernels that add two products in 16 bits would saturate,
// and nothing lies on a rounding edge, so the engine's numbers are the graph's.
TEST_F(QuantizeProducts, LargestIntegersGiveTheGraphsNumbersOnAnyProcessor) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  Model large{.graph = parse_graph(R"text(graph {
    param %w "w": f32[16, 32]
    param %c "c": f32[8, 16, 1]
    input %x: f32[s0{8}, 8, 32]
    %y: f32[s0{8}, 8, 16] = aten.linear.default(input=%x, weight=%w)
    %t: f32[s0{8}, 16, 8] = aten.transpose.int(self=%y, dim0=1, dim1=2)
    %z: f32[s0{8}, 8, 8] = aten.conv1d.default(input=%t, weight=%c, bias=None)
    %p: f32[s0{8}, 8, 8] = aten.matmul.default(self=%z, other=%z)
    %m: f32[s0{8}, 8] = aten.mean.dim(self=%p, dim=[2])
    output %m
  })text")};
  large.weights.set("w", at::ones({16, 32}));
  large.weights.set("c", at::ones({8, 16, 1}));
  test::MemoryDataset ones(at::ones({16, 8, 32}), at::zeros({16}, at::kLong));
  for (const char* options : {"{mode: ptq, activations: {observer: minmax}}", "{mode: qat, epochs: 1, batch: 8, optimizer: {sgd: {lr: 0}}}"}) {
    Model copy = large.clone();
    FakeContext context(large, {.train = &ones});
    quantize(options).run(copy, context);
    const at::Tensor x = at::ones({4, 8, 32});
    EXPECT_LT(distance(make_openvino_engine(copy)->run({x}).at(0), run_model(copy, x)), 1e-5) << options;
  }
}

TEST_F(QuantizeProducts, TargetsWithVnniKeepAllIntegers) {
  FakeContext context(model, {.train = &data});
  const auto result = quantize("{mode: ptq, target: openvino_vnni}").run(model, context);
  EXPECT_EQ(test::statistic(result, "narrowed_grids"), 0);
  EXPECT_EQ(grid_of(model, "scores", "other"), (Grid{0, -128, 127}));
}

}  // namespace
}  // namespace dsc
