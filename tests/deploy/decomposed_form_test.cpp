#include "deploy/decomposed_form.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/artifact.h"
#include "deploy/needs_openvino.h"
#include "deploy/openvino_engine.h"
#include "deploy/quantized.h"
#include "deploy/text_model.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

std::vector<at::Tensor> run(const Model& model, const std::vector<at::Tensor>& inputs) { return Executor(model, {}).run(inputs); }

std::int64_t count(const Model& model, std::string_view part) {
  std::int64_t number = 0;
  for (const Node* node : model.graph.nodes()) number += node->target().find(part) != std::string::npos;
  return number;
}

const std::vector<at::Tensor>& pictures() {
  static const std::vector<at::Tensor> inputs{test::noise({4, 3, 8, 8}, 5)};
  return inputs;
}

Model quantized_layers() {
  Model model = test::tiny_residual_cnn();
  test::quantize_everything(model, pictures());
  return model;
}

// A grid for each group of a row, with zero points, of 4 bits.
Model grouped_layer() {
  Model model = test::text_model(R"text(graph {
    param %w "w": f32[6, 8]
    constant %scale "scale": f32[12]
    constant %zero "zero": i32[12]
    input %x: f32[s0{2}, 8]
    %rows: f32[12, 4] = aten.view.default(self=%w, size=[12, 4])
    %grid: f32[12, 4] = aten.fake_quantize_per_channel_affine.default(self=%rows, scale=%scale, zero_point=%zero, axis=0, quant_min=-8, quant_max=7)
    %wq: f32[6, 8] = aten.view.default(self=%grid, size=[6, 8])
    %linear: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%wq, bias=None)
    output %linear
  })text");
  model.weights.set("scale", at::linspace(0.05, 0.3, 12));
  model.weights.set("zero", at::arange(-6, 6, at::kInt));
  return model;
}

void expect_same_both_ways(const Model& model, const std::vector<at::Tensor>& inputs) {
  const auto expected = run(model, inputs);
  Model exchanged = to_decomposed_form(model);
  EXPECT_TRUE(verify(exchanged).empty());
  EXPECT_EQ(count(exchanged, "fake_quantize"), 0);
  EXPECT_TRUE(run(exchanged, inputs)[0].equal(expected[0]));
  for (const QuantizedWeight& weight : quantized_weights(model)) EXPECT_TRUE(exchanged.weights.get(weight.name).equal(weight.integers()));
  from_decomposed_form(exchanged);
  EXPECT_TRUE(verify(exchanged).empty());
  EXPECT_EQ(count(exchanged, "quantized_decomposed"), 0);
  EXPECT_TRUE(run(exchanged, inputs)[0].equal(expected[0]));
  const auto before = quantized_weights(model), after = quantized_weights(exchanged);
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(stored_file_bytes(exchanged), stored_file_bytes(model));
}

TEST(DecomposedForm, KeepsOutputsAndIntegersBothWays) {
  expect_same_both_ways(quantized_layers(), pictures());
  expect_same_both_ways(grouped_layer(), {test::noise({3, 8}, 2)});
}

TEST(DecomposedForm, ReadsPairsAsPt2eToolsWriteThem) {
  Model model = test::text_model(R"text(graph {
    buffer %q "q": i8[6, 4]
    buffer %scale "s.scale": f32[6]
    buffer %zero "zero": i64[6]
    input %x: f32[s0{2}, 4]
    %xi: i8[s0{2}, 4] = quantized_decomposed.quantize_per_tensor.default(input=%x, scale=0.0625, zero_point=4, quant_min=-128, quant_max=127, dtype=i8)
    %x1: f32[s0{2}, 4] = quantized_decomposed.dequantize_per_tensor.default(input=%xi, scale=0.0625, zero_point=4, quant_min=-128, quant_max=127, dtype=i8)
    %x2: f32[s0{2}, 4] = quantized_decomposed.dequantize_per_tensor.default(input=%xi, scale=0.0625, zero_point=4, quant_min=-128, quant_max=127, dtype=i8)
    %x3: f32[s0{2}, 4] = quantized_decomposed.dequantize_per_tensor.default(input=%xi, scale=0.125, zero_point=4, quant_min=-128, quant_max=127, dtype=i8)
    %w: f32[6, 4] = quantized_decomposed.dequantize_per_channel.default(input=%q, scales=%scale, zero_points=%zero, axis=0, quant_min=-128, quant_max=127, dtype=i8)
    %linear: f32[s0{2}, 6] = aten.linear.default(input=%x1, weight=%w, bias=None)
    %more: f32[s0{2}, 4] = aten.add.Tensor(self=%x2, other=%x3)
    output %linear
    output %more
  })text");
  model.weights.set("q", at::arange(-128, 136, 11, at::kInt).clamp_max(127).slice(0, 0, 24).to(at::kChar).reshape({6, 4}));
  model.weights.set("s.scale", at::linspace(0.25, 1.5, 6));
  model.weights.set("zero", at::arange(6, at::kLong));
  const std::vector<at::Tensor> inputs{test::noise({3, 4}, 2)};
  const auto expected = run(model, inputs);
  from_decomposed_form(model);
  EXPECT_TRUE(verify(model).empty());
  const auto found = run(model, inputs);
  EXPECT_TRUE(found[0].equal(expected[0]));
  EXPECT_TRUE(found[1].equal(expected[1]));
  EXPECT_EQ(count(model, "fake_quantize_per_tensor"), 1);
  EXPECT_EQ(count(model, "fake_quantize_per_channel"), 1);
  EXPECT_EQ(count(model, "dequantize_per_tensor"), 1) << "the one of another scale stays";
  EXPECT_EQ(quantized_weights(model).size(), 1U);
}

TEST(DecomposedForm, ProgramsStoreIntegersAndRunInPythonWithTheSameOutputs) {
  const test::TempFolder folder;
  Model model = read_pt2(DSC_SOURCE_DIR "/tests/fixtures/exec/residual.pt2");
  const auto inputs = example_inputs(model, 3, 1);
  test::quantize_everything(model, inputs);
  const auto artifact = write_artifact(model, folder.file("net.pt2"));
  EXPECT_EQ(artifact.check, "read back, outputs equal bit for bit");
  const std::string python = DSC_SOURCE_DIR "/.venv/bin/python";
  if (!std::filesystem::exists(python)) GTEST_SKIP() << "no " << python << ": scripts/setup makes it";
  TensorFile file;
  file.tensors = {{"x", inputs.at(0)}, {"y", run(model, inputs)[0]}};
  write_safetensors(folder.file("io.safetensors"), file);
  test::spit(folder.file("run.py"), R"py(import sys, torch, torch.ao.quantization.fx._decomposed
from safetensors.torch import load_file
folder = sys.argv[1]
program, io = torch.export.load(folder + "/net.pt2"), load_file(folder + "/io.safetensors")
targets = {str(node.target) for node in program.graph.nodes}
assert "quantized_decomposed.quantize_per_tensor.default" in targets and not any("fake_quant" in t for t in targets), targets
assert any(t.dtype == torch.int8 for t in program.state_dict.values())
print((program.module()(io["x"]) - io["y"]).abs().max().item())
)py");
  const auto result = test::run_shell(python + " " + folder.file("run.py") + " " + folder.path());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_LT(std::stod(result.out), 1e-5);
}

class DecomposedFormInOpenVino : public test::NeedsOpenVino {};

TEST_F(DecomposedFormInOpenVino, ReadBackRunsInInt8Kernels) {
  const test::TempFolder folder;
  const Model model = quantized_layers();
  write_artifact(model, folder.file("net.pt2"));
  const Model written = read_pt2(folder.file("net.pt2"));
  Model read = read_pt2(folder.file("net.pt2"));
  from_decomposed_form(read);
  for (const Model* form : {&written, static_cast<const Model*>(&read)}) {
    const auto engine = make_openvino_engine(*form);
    const auto report = find_int8_layers(engine->layers());
    EXPECT_EQ(report.int8(), report.total());
    EXPECT_GT(report.total(), 0);
    EXPECT_TRUE(engine->run(pictures())[0].allclose(run(model, pictures())[0], 0.02, 0.02));
  }
}

}  // namespace
}  // namespace dsc
