#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "deploy/openvino_engine.h"
#include "exec/executor.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "ops/quantization.h"
#include "ops/two_ways.h"
#include "passes/quantize/ranges/observers.h"
#include "passes/quantize/trained_network.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

using test::count, test::distance, test::FakeContext, test::quantize, test::run_model, test::statistic, test::trained_network;

using Quantize = test::TrainedNetwork;

TEST_F(Quantize, PtqStaysCloseToTheFloatModel) {
  const at::Tensor before = run_model(model, valid.inputs());
  FakeContext context(model, {.train = &data});
  const auto result = quantize("{mode: ptq, calibration: {samples: 128, batch: 32}}").run(model, context);
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(statistic(result, "quantized_weights"), 7);
  EXPECT_EQ(statistic(result, "activation_quantizers"), 7);
  EXPECT_EQ(count(model, "aten.fake_quantize_per_channel_affine.default"), 7);
  EXPECT_EQ(count(model, "aten.fake_quantize_per_tensor_affine.default"), 7);
  EXPECT_EQ(count(model, "aten.batch_norm.default"), 0);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_LT(distance(run_model(model, valid.inputs()), before), 0.05);
  EXPECT_EQ(quantized_weights(model).size(), 7u);
  EXPECT_LT(stored_bytes(model), weight_bytes(model) / 3);
  EXPECT_EQ(context.progress_calls.back(), (std::pair<std::int64_t, std::int64_t>{128, 128}));
}

// Both branches of torch.cond; their weights are stored in 8 bits as others are.
TEST(QuantizeBranches, RoundsTheLayersInThem) {
  auto data = test::synthetic_classes(64, {4}, 3);
  Model model = test::two_ways();
  const at::Tensor x = data.inputs();
  const std::vector<at::Tensor> ways{x + 1, x - 1};
  std::vector<at::Tensor> before;
  for (const at::Tensor& way : ways) before.push_back(run_model(model, way));
  test::MemoryDataset both(at::cat(ways), at::cat({data.target(), data.target()}));
  FakeContext context(model, {.train = &both});
  const auto result = quantize("{mode: ptq, calibration: {samples: 128, batch: 32}}").run(model, context);
  EXPECT_EQ(statistic(result, "quantized_weights"), 4);
  EXPECT_EQ(count(model, "higher_order.cond"), 1);
  EXPECT_EQ(count(model, "aten.where.self"), 0);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_EQ(quantized_weights(model).size(), 4u);
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const double moved = distance(run_model(model, ways[i]), before[i]);
    EXPECT_LT(moved, 0.03);
    EXPECT_GT(moved, 0);
    if (!openvino_available()) continue;
    EXPECT_LT(distance(make_openvino_engine(model)->run({ways[i]}).at(0), before[i]), 0.03);
  }
}

TEST_F(Quantize, EveryObserverAndWidthWorks) {
  const at::Tensor before = run_model(model, valid.inputs());
  for (const auto& [yaml, worst] : std::vector<std::pair<std::string, double>>{
           {"{activations: {observer: minmax}}", 0.05},
           {"{activations: {observer: ema, momentum: 0.5}}", 0.2},
           {"{activations: {observer: percentile, percentile: 99.9}}", 0.2},
           {"{activations: {observer: mse, symmetric: true}}", 0.06},
           {"{weights: {per_channel: false}}", 0.06},
           {"{weights: {symmetric: false}}", 0.05},
           {"{weights: {bits: 4}}", 0.4},
           {"{weights: {bits: 4}, activations: {bits: 4}}", 0.6},
           {"{weights: {bits: 2}, activations: {bits: 2}}", 2}}) {
    Model copy = model.clone();
    FakeContext context(model, {.train = &data});
    quantize(yaml).run(copy, context);
    EXPECT_TRUE(verify(copy).empty()) << yaml;
    EXPECT_LT(distance(run_model(copy, valid.inputs()), before), worst) << yaml;
  }
}

TEST_F(Quantize, PrefersCalibrationDataAndIsRepeatable) {
  Model a = model.clone(), b = model.clone();
  FakeContext context(model, {.train = &data});
  quantize("{}").run(a, context);
  quantize("{}").run(b, context);
  EXPECT_TRUE(test::equal_weights(a, b));
  EXPECT_EQ(print_graph(a.graph), print_graph(b.graph));
}

TEST_F(Quantize, SkipsModulesAndReportsTheRest) {
  FakeContext context(model, {.train = &data});
  const auto result = quantize("{skip: [conv1, fc]}").run(model, context);
  EXPECT_EQ(statistic(result, "quantized_weights"), 5);
  for (const auto& row : result.tables.at(0).rows) EXPECT_NE(row.at(0), "fc");
}

TEST_F(Quantize, WrongSelectorsAndFinishedModelsAreErrors) {
  const auto problems = quantize("{skip: [layer1.0.conv9]}").check(model);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].hint.find("layer1.0.conv"), std::string::npos);
  EXPECT_FALSE(quantize("{skip: ['**']}").check(model).empty());
  FakeContext context(model, {.train = &data});
  quantize("{}").run(model, context);
  const auto again = quantize("{}").check(model);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_NE(again[0].message.find("not quantised already"), std::string::npos);
}

TEST_F(Quantize, OptionsOutOfRangeAreErrors) {
  EXPECT_THROW(quantize("{weights: {bits: 1}}"), Error);
  EXPECT_THROW(quantize("{activations: {bits: 16}}"), Error);
  EXPECT_THROW(quantize("{mode: qat, activations: {observer: mse}}"), Error);
  EXPECT_THROW(quantize("{mode: never}"), Error);
  EXPECT_THROW(quantize("{target: abacus}"), Error);
  EXPECT_THROW(quantize("{weights: {group_size: 32}}"), Error);
  EXPECT_THROW(quantize("{mode: qat, scaling: equalize, freeze_batch_norm: 1}"), Error);
  EXPECT_THROW(quantize("{mode: qat, progressive: {full_precision: 0.5, ramp: 0.6}}"), Error);
  EXPECT_THROW(quantize("{layers: [{select: fc, weights: {bits: 9}}]}"), Error);
}

TEST_F(Quantize, NamesActivationsThatAreNotFinite) {
  model.weights.set("bn1.bias", at::full({8}, std::nan("")));
  FakeContext context(model, {.train = &data});
  try {
    quantize("{calibration: {samples: 256}}").run(model, context);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::numeric);
    EXPECT_TRUE(error.problems()[0].place.pointer.starts_with("%")) << error.problems()[0].place.pointer;
  }
}

TEST_F(Quantize, NamesTheExampleThatIsNotFinite) {
  at::Tensor broken = data.inputs().clone();
  broken[3][0][0][0] = std::nan("");
  test::MemoryDataset bad(broken, data.target());
  FakeContext context(model, {.train = &bad});
  try {
    quantize("{calibration: {samples: 256}}").run(model, context);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    EXPECT_NE(error.problems()[0].message.find("example 3"), std::string::npos) << error.problems()[0].message;
  }
}

TEST_F(Quantize, SurvivesConstantActivationsAndZeroChannels) {
  at::Tensor weight = model.weights.get("layer1.0.conv1.weight").clone();
  weight[2].zero_();
  model.weights.set("layer1.0.conv1.weight", weight);
  model.weights.set("bn1.weight", at::zeros({8}));  // relu(bn1) is zero everywhere
  FakeContext context(model, {.train = &data});
  quantize("{}").run(model, context);
  EXPECT_TRUE(at::isfinite(run_model(model, valid.inputs())).all().item<bool>());
}

constexpr const char* kQat = "{mode: qat, epochs: 2, batch: 32, optimizer: {sgd: {lr: 0.02}}";

TEST_F(Quantize, QatEndsInTheDeployedForm) {
  const double before = top1(model);
  FakeContext context(model, {.train = &data, .valid = &valid});
  const auto result = quantize(std::string(kQat) + "}").run(model, context);
  EXPECT_GE(top1(model), before - 0.02);
  EXPECT_EQ(context.stages, (std::vector<std::string>{"prepare", "train"}));
  EXPECT_TRUE(verify(model).empty());
  EXPECT_EQ(count(model, "aten.fake_quantize_per_tensor_affine.default"), 7);
  EXPECT_EQ(count(model, "aten.fake_quantize_per_channel_affine.default"), 7);
  for (const Node* node : model.graph.nodes()) EXPECT_FALSE(node->target().starts_with("dscompress.")) << node->target();
  for (const std::string& name : model.weights.names()) EXPECT_FALSE(name.starts_with("quant_")) << name;
  EXPECT_EQ(statistic(result, "train_steps"), 16);
}

// What training evaluated at its end is what is deployed: same integers, same outputs, bit for bit where norms are folded first.
TEST_F(Quantize, QatDeploysWhatItValidated) {
  FakeContext context(model, {.train = &data, .valid = &valid});
  at::Tensor last;
  context.metrics = [&](const Model& trained, const Dataset& dataset, std::int64_t limit) {
    last = run_model(trained, valid.inputs());
    return test::evaluate_classifier(trained, dataset, limit);
  };
  quantize(std::string(kQat) + ", freeze_batch_norm: 2}").run(model, context);
  EXPECT_TRUE(run_model(model, valid.inputs()).equal(last));
}

TEST_F(Quantize, LowBitQatBeatsLowBitPtq) {
  Model rounded = model.clone(), low = model.clone();
  FakeContext context(model, {.train = &data});
  quantize("{weights: {bits: 2}, activations: {bits: 3}}").run(rounded, context);
  FakeContext other(model, {.train = &data});
  quantize(std::string(kQat) + ", weights: {bits: 2}, activations: {bits: 3}}").run(low, other);
  EXPECT_GT(top1(low), top1(rounded) + 0.02) << "base " << top1(model);
}

TEST_F(Quantize, QatTrainsInBf16) {
  const double before = top1(model);
  FakeContext context(model, {.train = &data});
  quantize(std::string(kQat) + ", bf16: true}").run(model, context);
  EXPECT_GE(top1(model), before - 0.03);
}

TEST_F(Quantize, EveryLayerRunsInInt8KernelsWithTheSameOutputs) {
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  FakeContext context(model, {.train = &data});
  quantize("{}").run(model, context);
  const at::Tensor x = valid.inputs().slice(0, 0, 32);
  auto engine = make_openvino_engine(model);
  const at::Tensor integers = engine->run({x}).at(0);
  const Int8Report report = find_int8_layers(engine->layers());
  EXPECT_EQ(report.convolutions.int8, 6);
  EXPECT_EQ(report.linears.int8, 1);
  EXPECT_EQ(report.int8(), report.total()) << (report.others.empty() ? "" : report.others[0]);
  EXPECT_LT(distance(integers, run_model(model, x)), 0.01);
}

TEST_F(Quantize, QatResumesToTheSameBytes) {
  const auto configured = quantize(std::string(kQat) + "}");
  Model whole = model.clone(), killed = model.clone(), resumed = model.clone();
  FakeContext uninterrupted(model, {.train = &data}), context(model, {.train = &data});
  configured.run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(configured.run(killed, context), test::Killed);
  context.restart();
  configured.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
  EXPECT_EQ(print_graph(whole.graph), print_graph(resumed.graph));
}

TEST(QuantizeRanges, PercentileCutsBothTails) {
  quantize::Histogram histogram{-2, 2, {1, 49, 49, 1}};
  EXPECT_EQ(quantize::percentile_range(histogram, 98).minimum, -1);
  EXPECT_EQ(quantize::percentile_range(histogram, 98).maximum, 1);
  EXPECT_EQ(quantize::percentile_range(histogram, 100).maximum, 2);
  quantize::Histogram positive{0, 4, {98, 1, 1, 0}};
  EXPECT_EQ(quantize::percentile_range(positive, 99).minimum, 0);
  EXPECT_EQ(quantize::percentile_range(positive, 99).maximum, 2);
}

TEST(QuantizeRanges, LeastErrorClipsOutliersAtFewBitsOnly) {
  quantize::Histogram histogram{0, 100, std::vector<double>(100, 0)};
  for (int i = 0; i < 30; ++i) histogram.counts[static_cast<std::size_t>(i)] = 1000;
  histogram.counts[99] = 1;
  EXPECT_LT(quantize::least_error_range(histogram, activation_quant_range(3), false).maximum, 60);
  EXPECT_GT(quantize::least_error_range(histogram, activation_quant_range(8), false).maximum, 60);
}

// 10,000 real CIFAR-10 pictures, as they are or unpacked once into the temporary folder.
std::string cifar_test_file() {
  if (const auto plain = test::data_file("cifar10/test_batch.bin"); std::filesystem::exists(plain)) return plain;
  const std::filesystem::path packed = test::data_file("cifar10/test_batch.medxz");
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "dscompress_cifar10_test_batch.bin";
  if (std::filesystem::exists(file)) return file.string();
  if (!std::filesystem::exists(packed)) return "";
  const std::filesystem::path partial = file.string() + ".part" + std::to_string(getpid());
  const std::filesystem::path python = std::filesystem::path(DSC_SOURCE_DIR) / ".venv/bin/python";
  const std::string command = (std::filesystem::exists(python) ? python.string() : "python3") + " '" + (packed.parent_path() / "pack.py").string() +
                              "' -d '" + packed.string() + "' '" + partial.string() + "'";
  if (std::system(command.c_str()) != 0) return "";
  std::filesystem::rename(partial, file);
  return file.string();
}

test::MemoryDataset read_cifar(const std::string& path, std::int64_t first, std::int64_t examples) {
  constexpr std::int64_t kRecord = 3073;
  std::ifstream file(path, std::ios::binary);
  file.seekg(first * kRecord);
  at::Tensor records = at::empty({examples, kRecord}, at::kByte);
  file.read(reinterpret_cast<char*>(records.data_ptr<std::uint8_t>()), examples * kRecord);
  const at::Tensor mean = at::tensor({0.485, 0.456, 0.406}, at::kFloat).view({3, 1, 1});
  const at::Tensor deviation = at::tensor({0.229, 0.224, 0.225}, at::kFloat).view({3, 1, 1});
  const at::Tensor pixels = records.slice(1, 1).reshape({examples, 3, 32, 32}).to(at::kFloat) / 255;
  return {(pixels - mean) / deviation, records.select(1, 0).to(at::kLong)};
}

TEST(QuantizeRealNetwork, PtqOfResNet20KeepsItsLogits) {
  const std::string path = test::data_file("resnet-cifar10/resnet20-cifar10.pt2"), pictures = cifar_test_file();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << test::data_missing(path);
  if (pictures.empty()) GTEST_SKIP() << test::data_missing(test::data_file("cifar10/test_batch.bin"));
  Model model = read_pt2(path);
  test::MemoryDataset calibration = read_cifar(pictures, 0, 300), test = read_cifar(pictures, 300, 500);
  const at::Tensor before = run_model(model, test.inputs());
  FakeContext context(model, {.train = &calibration});
  const auto result = quantize("{mode: ptq, calibration: {samples: 300, batch: 100}}").run(model, context);
  EXPECT_EQ(statistic(result, "quantized_weights"), 20);
  EXPECT_EQ(statistic(result, "activation_quantizers"), 20) << "one for each layer's input; shortcuts share them";
  const at::Tensor after = run_model(model, test.inputs());
  EXPECT_LT(distance(after, before), 0.06);
  const double agreement = after.argmax(1).eq(before.argmax(1)).to(at::kDouble).mean().item<double>();
  EXPECT_GE(agreement, 0.98);
  const auto top1 = [&](const at::Tensor& logits) { return logits.argmax(1).eq(test.target()).to(at::kDouble).mean().item<double>(); };
  EXPECT_GE(top1(after), top1(before) - 0.01);
}

}  // namespace
}  // namespace dsc
