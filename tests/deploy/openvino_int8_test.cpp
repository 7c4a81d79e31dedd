#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "deploy/openvino_engine.h"
#include "deploy/needs_openvino.h"
#include "deploy/quantized.h"
#include "deploy/text_model.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "io/pt2.h"
#include "support/data_folder.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

class OpenVinoInt8 : public test::NeedsOpenVino {};

// In integer kernels an activation that lies between two steps may fall on the other one, so single outputs differ by
// more than rounding; the bound is on their mean.
double mean_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().mean() / b.abs().mean().clamp_min(1e-12)).item<double>();
}

bool has_int8_kernels() {
  test::ModelBuilder build(1);
  Model model = build.finish(build.conv(build.input("x", {16, 8, 8}), "conv", 16, 16, 3));
  test::quantize_everything(model, test::example_tensors(model));
  return find_int8_layers(make_openvino_engine(model)->layers()).int8() == 1;
}

TEST_F(OpenVinoInt8, AllConvolutionsAndLinearsOfAFakeQuantizedCnn) {
  if (!has_int8_kernels()) GTEST_SKIP() << "this CPU has no INT8 kernels";
  Model model = test::tiny_residual_cnn(1, {.width = 16, .image = 16});
  const std::vector<at::Tensor> inputs{test::noise({4, 3, 16, 16}, 5)};
  test::quantize_everything(model, inputs);
  const auto engine = make_openvino_engine(model);
  const Int8Report report = find_int8_layers(engine->layers());
  EXPECT_EQ(report.convolutions.total, 6);
  EXPECT_EQ(report.linears.total, 1);
  EXPECT_EQ(report.int8(), report.total()) << (report.others.empty() ? "" : report.others.front());
  EXPECT_LT(mean_difference(engine->run(inputs)[0], Executor(model, {}).run(inputs)[0]), 0.02);
}

// OpenVINO's own kernel mixes the data of its threads here (AVX2: every run of this network was wrong, at the border of two threads).
TEST_F(OpenVinoInt8, StridedPointwiseConvolutionsGiveTheSameEachTime) {
  test::ModelBuilder build(3);
  Model model = build.finish(build.conv(build.relu(build.conv(build.input("x", {3, 32, 32}), "stem", 3, 24, 3)), "shortcut", 24, 48, 1, 2));
  const std::vector<at::Tensor> inputs{test::noise({64, 3, 32, 32}, 5)};
  test::quantize_everything(model, inputs);
  const at::Tensor alone = make_openvino_engine(model, {.threads = 1})->run(inputs)[0];
  EXPECT_LT(mean_difference(alone, Executor(model, {}).run(inputs)[0]), 0.02);
  const auto engine = make_openvino_engine(model, {.threads = 2});
  for (int run = 0; run < 20; ++run) ASSERT_TRUE(engine->run(inputs)[0].equal(alone)) << "run " << run;
}

TEST_F(OpenVinoInt8, FloatModelHasNone) {
  const Int8Report report = find_int8_layers(make_openvino_engine(test::tiny_residual_cnn())->layers());
  EXPECT_EQ(report.int8(), 0);
  EXPECT_EQ(report.others.size(), static_cast<std::size_t>(report.total()));
}

// Only the weight is quantised, so no activation can fall on another step: exact up to float rounding.
TEST_F(OpenVinoInt8, QuantizedWeightsHaveLibTorchsValues) {
  for (const char* quantizer : {
           "aten.fake_quantize_per_channel_affine.default(self=%w, scale=%scale, zero_point=%zero, axis=0, quant_min=-127, quant_max=127)",
           "aten.fake_quantize_per_channel_affine.default(self=%w, scale=%scale, zero_point=%zero, axis=0, quant_min=0, quant_max=255)",
           "aten.fake_quantize_per_channel_affine.default(self=%w, scale=%scale, zero_point=%zero, axis=0, quant_min=-8, quant_max=7)",
           "aten.fake_quantize_per_tensor_affine.default(self=%w, scale=0.01, zero_point=3, quant_min=-128, quant_max=127)",
           "aten._fake_quantize_learnable_per_channel_affine.default(self=%w, scale=%scale, zero_point=%learned, axis=0, quant_min=-127, quant_max=127)",
       }) {
    Model model = test::text_model(std::string(R"text(graph {
      param %w "w": f32[6, 4]
      buffer %scale "s.scale": f32[6]
      buffer %zero "zero": i32[6]
      buffer %learned "learned": f32[6]
      input %x: f32[s0{2}, 4]
      %quantized: f32[6, 4] = )text") + quantizer + R"text(
      %linear: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%quantized, bias=None)
      output %linear
    })text");
    model.weights.set("s.scale", model.weights.get("s.scale") * 0.05);
    const std::vector<at::Tensor> inputs{test::noise({3, 4}, 2)};
    const auto expected = Executor(model, {}).run(inputs)[0], found = make_openvino_engine(model)->run(inputs)[0];
    EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-5)) << quantizer << "\n" << found << expected;
  }
}

TEST_F(OpenVinoInt8, DecomposedQuantizeAndDequantizeAreFakeQuantize) {
  const auto make = [](const std::string& body) {
    Model model = test::text_model(R"text(graph {
      param %w "w": f32[6, 4]
      buffer %scale "s.scale": f32[6]
      buffer %zero "zero": i64[6]
      input %x: f32[s0{2}, 4]
)text" + body + R"text(
      %linear: f32[s0{2}, 6] = aten.linear.default(input=%xq, weight=%wq, bias=None)
      output %linear
    })text");
    model.weights.set("s.scale", model.weights.get("s.scale") * 0.05);
    model.weights.set("zero", at::zeros({6}, at::kLong));
    return model;
  };
  const Model decomposed = make(R"text(
      %xi: i8[s0{2}, 4] = quantized_decomposed.quantize_per_tensor.default(%x, 0.05, 4, -128, 127, i8)
      %xq: f32[s0{2}, 4] = quantized_decomposed.dequantize_per_tensor.default(%xi, 0.05, 4, -128, 127, i8)
      %wi: i8[6, 4] = quantized_decomposed.quantize_per_channel.default(%w, %scale, %zero, 0, -127, 127, i8)
      %wq: f32[6, 4] = quantized_decomposed.dequantize_per_channel.default(%wi, %scale, %zero, 0, -127, 127, i8))text");
  const Model native = make(R"text(
      %xq: f32[s0{2}, 4] = aten.fake_quantize_per_tensor_affine.default(self=%x, scale=0.05, zero_point=4, quant_min=-128, quant_max=127)
      %zero32: i32[6] = aten.to.dtype(self=%zero, dtype=i32)
      %wq: f32[6, 4] = aten.fake_quantize_per_channel_affine.default(self=%w, scale=%scale, zero_point=%zero32, axis=0, quant_min=-127, quant_max=127))text");
  const std::vector<at::Tensor> inputs{test::noise({3, 4}, 2)};
  const auto found = make_openvino_engine(decomposed)->run(inputs)[0], expected = Executor(native, {}).run(inputs)[0];
  EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-4)) << found << expected;
}

TEST_F(OpenVinoInt8, QuantisedQueriesAndKeysGiveTheSameAttention) {
  const auto quantized = [](const std::string& name, const std::string& scale) {
    return "  %" + name + "q: f32[s0{2}, 4, 16, 32] = aten.fake_quantize_per_tensor_affine.default(self=%" + name + ", scale=" + scale +
           ", zero_point=0, quant_min=-128, quant_max=127)\n";
  };
  const Model model = test::text_model("graph {\n  input %q: f32[s0{2}, 4, 16, 32]\n  input %k: f32[s0{2}, 4, 16, 32]\n  input %v: f32[s0{2}, 4, 16, 32]\n" +
                                       quantized("q", "0.03") + quantized("k", "0.04") + R"text(
  %attention: f32[s0{2}, 4, 16, 32] = aten.scaled_dot_product_attention.default(query=%qq, key=%kq, value=%v)
  output %attention
})text");
  const auto inputs = test::example_tensors(model, 3);
  const auto found = make_openvino_engine(model)->run(inputs)[0], expected = Executor(model, {}).run(inputs)[0];
  EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-5)) << (found - expected).abs().max();
}

// Beside a residual add, the quantiser gets the normalisation's last step for itself and is no step of its own.
TEST_F(OpenVinoInt8, QuantisersFuseIntoSharedNormalisations) {
  if (!has_int8_kernels()) GTEST_SKIP() << "this CPU has no INT8 kernels";
  const Model model = test::text_model(R"text(graph {
  param %g "g.scale": f32[32]
  param %b "b": f32[32]
  param %w "w": f32[32, 32]
  buffer %scale "s.scale": f32[32]
  buffer %zero "zero": i32[32]
  input %x: f32[s0{2}, 16, 32]
  %n: f32[s0{2}, 16, 32] = aten.layer_norm.default(input=%x, normalized_shape=[32], weight=%g, bias=%b)
  %q: f32[s0{2}, 16, 32] = aten.fake_quantize_per_tensor_affine.default(self=%n, scale=0.03, zero_point=128, quant_min=0, quant_max=255)
  %v: f32[32, 32] = aten.fake_quantize_per_channel_affine.default(self=%w, scale=%scale, zero_point=%zero, axis=0, quant_min=-127, quant_max=127)
  %y: f32[s0{2}, 16, 32] = aten.linear.default(input=%q, weight=%v)
  %z: f32[s0{2}, 16, 32] = aten.add.Tensor(self=%y, other=%n)
  output %z
})text");
  const auto inputs = test::example_tensors(model, 3);
  const auto engine = make_openvino_engine(model);
  for (const LayerReport& layer : engine->layers()) EXPECT_NE(layer.type, "FakeQuantize") << layer.name;
  EXPECT_LT(mean_difference(engine->run(inputs)[0], Executor(model, {}).run(inputs)[0]), 0.01);
}

// Written through a slice from end to end, the product became a scatter of every element, of integers without their scale.
TEST_F(OpenVinoInt8, ProductsThatAreChangedInPlace) {
  const Model model = test::text_model(R"text(graph {
  input %q: f32[s0{2}, 16, 32]
  input %k: f32[s0{2}, 32, 16]
  input %bias: f32[s0{2}, 16, 16]
  %qq: f32[s0{2}, 16, 32] = aten.fake_quantize_per_tensor_affine.default(self=%q, scale=0.03, zero_point=0, quant_min=-128, quant_max=127)
  %kq: f32[s0{2}, 32, 16] = aten.fake_quantize_per_tensor_affine.default(self=%k, scale=0.04, zero_point=0, quant_min=-128, quant_max=127)
  %scores: f32[s0{2}, 16, 16] = aten.matmul.default(self=%qq, other=%kq)
  %all: f32[s0{2}, 16, 16] = aten.slice.Tensor(self=%scores, dim=0, start=0, end=9223372036854775807)
  %sum: f32[s0{2}, 16, 16] = aten.add.Tensor(self=%all, other=%bias)
  %every: f32[s0{2}, 16, 16] = aten.slice.Tensor(self=%scores, dim=1, start=0, end=16)
  %copy: f32[s0{2}, 16, 16] = aten.copy_.default(self=%every, src=%sum)
  %p: f32[s0{2}, 16, 16] = aten.softmax.int(self=%scores, dim=-1)
  output %p
})text");
  const auto inputs = test::example_tensors(model, 3);
  const auto engine = make_openvino_engine(model);
  for (const LayerReport& layer : engine->layers()) EXPECT_EQ(layer.type.find("Scatter"), std::string::npos) << layer.name;
  const auto found = engine->run(inputs)[0], expected = Executor(model, {}).run(inputs)[0];
  EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-5)) << (found - expected).abs().max();
}

TEST_F(OpenVinoInt8, WeightsThatAreStoredAsIntegersAreDequantized) {
  Model model = test::text_model(R"text(graph {
    buffer %q "q": i8[6, 4]
    buffer %scale "s.scale": f32[6]
    buffer %zero "zero": i64[6]
    input %x: f32[s0{2}, 4]
    %w: f32[6, 4] = quantized_decomposed.dequantize_per_channel.default(%q, %scale, %zero, 0, -128, 127, i8)
    %linear: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%w, bias=None)
    output %linear
  })text");
  model.weights.set("q", at::arange(-128, 136, 11, at::kInt).clamp_max(127).slice(0, 0, 24).to(at::kChar).reshape({6, 4}));
  const at::Tensor zero = at::arange(6, at::kLong), scale = model.weights.get("s.scale"), x = test::noise({3, 4}, 2);
  model.weights.set("zero", zero);
  const at::Tensor w = (model.weights.get("q").to(at::kFloat) - zero.unsqueeze(1)) * scale.unsqueeze(1);
  EXPECT_TRUE(at::allclose(make_openvino_engine(model)->run({x})[0], x.matmul(w.t()), 1e-4, 1e-4));
}

class OpenVinoIr : public test::NeedsOpenVino {
 protected:
  OpenVinoIr() : folder_(fs::temp_directory_path() / ("dsc_ir_" + std::to_string(getpid()))) { fs::create_directories(folder_); }
  ~OpenVinoIr() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::size_t files() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator{})); }
  fs::path folder_;
};

TEST_F(OpenVinoIr, ReadsBackWithTheSameOutputsNamesAndNothingLeftOver) {
  const Model model = test::tiny_residual_cnn();
  write_openvino_ir(model, path("net.xml"));
  EXPECT_EQ(files(), 2U);
  const std::vector<at::Tensor> inputs{test::noise({4, 3, 8, 8}, 5)};
  const auto expected = Executor(model, {}).run(inputs)[0], found = read_openvino_ir(path("net.xml"))->run(inputs)[0];
  EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-4));
}

TEST_F(OpenVinoIr, QuantizedWeightsTakeTheirWidth) {
  const Model base = test::tiny_residual_cnn(1, {.width = 64, .image = 8});
  const std::vector<at::Tensor> inputs{test::noise({4, 3, 8, 8}, 5)};
  write_openvino_ir(base, path("float.xml"));
  for (const auto& [most, share] : {std::pair{127, 0.28}, std::pair{7, 0.155}}) {
    Model model = base.clone();
    test::quantize_everything(model, inputs, most);
    write_openvino_ir(model, path("integers.xml"));
    const auto before = fs::file_size(path("float.bin")), after = fs::file_size(path("integers.bin"));
    EXPECT_LT(static_cast<double>(after), share * static_cast<double>(before));
    const auto read = read_openvino_ir(path("integers.xml"));
    EXPECT_LT(mean_difference(read->run(inputs)[0], Executor(model, {}).run(inputs)[0]), 0.02);
    if (!has_int8_kernels()) continue;
    const Int8Report report = find_int8_layers(read->layers());
    EXPECT_EQ(report.int8(), report.total()) << most;
  }
}

TEST_F(OpenVinoIr, HalfPrecisionHalvesTheFile) {
  const Model model = test::tiny_residual_cnn(1, {.width = 64, .image = 8});
  write_openvino_ir(model, path("f32.xml"));
  write_openvino_ir(model, path("f16.xml"), "f16");
  EXPECT_LT(static_cast<double>(fs::file_size(path("f16.bin"))), 0.55 * static_cast<double>(fs::file_size(path("f32.bin"))));
}

TEST_F(OpenVinoIr, SameModelGivesTheSameBytes) {
  Model model = test::tiny_residual_cnn();
  for (const bool quantized : {false, true}) {
    if (quantized) test::quantize_everything(model, {test::noise({4, 3, 8, 8}, 5)});
    write_openvino_ir(model, path("a.xml"));
    write_openvino_ir(model, path("b.xml"));  // whatever OpenVINO counted up meanwhile
    EXPECT_TRUE(read_file(path("a.xml")) == read_file(path("b.xml"))) << quantized;
    EXPECT_TRUE(read_file(path("a.bin")) == read_file(path("b.bin"))) << quantized;
  }
}

TEST_F(OpenVinoIr, RefusesOtherNamesAndPlaces) {
  const Model model = test::tiny_mlp();
  EXPECT_THROW(write_openvino_ir(model, path("net.onnx")), Error);
  EXPECT_THROW(write_openvino_ir(model, path("net.xml"), "i8"), Error);
  EXPECT_THROW(read_openvino_ir(path("absent.xml")), Error);
  EXPECT_EQ(files(), 0U);
}

TEST_F(OpenVinoInt8, ResNet20RunsInInt8AndAgreesWithLibTorch) {
  const std::string path = test::data_file("resnet-cifar10/resnet20-cifar10.pt2");
  if (!fs::exists(path)) GTEST_SKIP() << test::data_missing(path);
  Model model = read_pt2(path);
  const std::vector<at::Tensor> inputs{test::noise({16, 3, 32, 32}, 5)};
  const auto expected = Executor(model, {}).run(inputs)[0];
  EXPECT_TRUE(at::allclose(make_openvino_engine(model)->run(inputs)[0], expected, 1e-4, 1e-4));
  if (!has_int8_kernels()) GTEST_SKIP() << "this CPU has no INT8 kernels";
  test::quantize_everything(model, inputs);
  const auto engine = make_openvino_engine(model);
  const Int8Report report = find_int8_layers(engine->layers());
  EXPECT_EQ(report.convolutions.int8, 19);
  EXPECT_EQ(report.linears.int8, 1);
  EXPECT_EQ(report.total(), 20);
  EXPECT_LT(mean_difference(engine->run(inputs)[0], Executor(model, {}).run(inputs)[0]), 0.02);
}

}  // namespace
}  // namespace dsc
