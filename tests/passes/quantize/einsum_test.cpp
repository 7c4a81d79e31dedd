// Attention written in einsums, its projections as well.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "deploy/openvino_engine.h"
#include "exec/executor.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "passes/quantize/trained_network.h"

namespace dsc {
namespace {

using test::distance, test::FakeContext, test::quantize, test::run_model;

constexpr const char* kGraph = R"text(graph {
  param %wq "q.weight": f32[32, 4, 8]
  param %wk "k.weight": f32[32, 4, 8]
  param %wv "v.weight": f32[32, 4, 8]
  param %wo "o.weight": f32[4, 8, 32]
  input %x: f32[s0{2}, 16, 32]
  %q: f32[s0{2}, 16, 4, 8] = aten.einsum.default(equation="bli,ihd->blhd", tensors=[%x, %wq])
  %k: f32[s0{2}, 16, 4, 8] = aten.einsum.default(equation="bli,ihd->blhd", tensors=[%x, %wk])
  %v: f32[s0{2}, 16, 4, 8] = aten.einsum.default(equation="bli,ihd->blhd", tensors=[%x, %wv])
  %scores: f32[s0{2}, 4, 16, 16] = aten.einsum.default(equation="blhd,bmhd->bhlm", tensors=[%q, %k])
  %shares: f32[s0{2}, 4, 16, 16] = aten.softmax.int(self=%scores, dim=-1)
  %mixed: f32[s0{2}, 16, 4, 8] = aten.einsum.default(equation="bhlm,bmhd->blhd", tensors=[%shares, %v])
  %y: f32[s0{2}, 16, 32] = aten.einsum.default(equation="blhd,hdo->blo", tensors=[%mixed, %wo])
  output %y
})text";

TEST(QuantizeEinsum, ProductsAndProjectionsRunInIntegers) {
  set_threads(1);
  Model model;
  model.graph = parse_graph(kGraph);
  at::manual_seed(3);
  for (const char* name : {"q.weight", "k.weight", "v.weight"}) model.weights.set(name, at::randn({32, 4, 8}) * 0.15);
  model.weights.set("o.weight", at::randn({4, 8, 32}) * 0.2);
  test::MemoryDataset data(at::randn({64, 16, 32}), at::zeros({64}, at::kLong));
  FakeContext context{model, {.train = &data}};
  Model copy = model.clone();
  quantize("{}").run(copy, context);
  EXPECT_TRUE(verify(copy).empty());
  EXPECT_EQ(quantized_weights(copy).size(), 4u);
  const at::Tensor x = at::randn({3, 16, 32});
  EXPECT_LT(distance(run_model(copy, x), run_model(model, x)), 0.05);
  if (!openvino_available()) return;
  const auto engine = make_openvino_engine(copy);
  EXPECT_LT(distance(engine->run({x}).at(0), run_model(copy, x)), 2e-2);
  const Int8Report report = find_int8_layers(engine->layers());
  EXPECT_EQ(report.int8(), report.total()) << (report.others.empty() ? "" : report.others.front());
  EXPECT_GE(report.total(), 6);
}

}  // namespace
}  // namespace dsc
