#include "passes/quantize/choose/mixed.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ops/quantization.h"
#include "passes/quantize/after_training.h"
#include "passes/quantize/choose/output_error.h"
#include "passes/quantize/trained_network.h"
#include "support/program.h"

namespace dsc {
namespace {

using test::FakeContext, test::quantize, test::statistic;

class Mixed : public test::TrainedNetwork {
 protected:
  static std::string options(const std::string& mixed, const std::string& more = "") {
    return "{calibration: {samples: 64, batch: 32}, mixed: {samples: 32, " + mixed + "}" + more + "}";
  }
  FakeContext context{model, {.train = &data, .valid = &valid}};
};

TEST_F(Mixed, BytesAreKeptAndMoreOfThemErrLess) {
  const double before = static_cast<double>(weight_bytes(model));
  double error = 1e9;
  for (const int percent : {18, 22, 26, 30}) {
    Model copy = model.clone();
    FakeContext own(model, {.train = &data});
    const auto result = quantize(options("bits: [3, 4, 8], budget: {bytes: " + std::to_string(percent) + "%}")).run(copy, own);
    EXPECT_LE(statistic(result, "weights_on_disk"), before * percent / 100);
    EXPECT_LE(statistic(result, "expected_error"), error);
    error = statistic(result, "expected_error");
    const Table& table = result.tables.back();
    EXPECT_EQ(table.name, "mixed_precision");
    const auto weights = quantized_weights(copy);
    ASSERT_EQ(table.rows.size(), weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(table.rows[i].at(1), std::to_string(weights[i].bits)) << weights[i].name;
  }
}

// Errors as measured by hand for one layer.
TEST_F(Mixed, ErrorsAreThoseOfOneLayerAlone) {
  const auto result = quantize(options("bits: [2, 8], budget: {bytes: 90%}", ", layers: [{select: fc, weights: {bits: 5}}]")).run(model, context);
  const Table& table = result.tables.back();
  EXPECT_EQ(table.rows.size(), 6u) << "fc has its own width";
  for (const auto& row : table.rows) EXPECT_LT(std::stod(row.at(5)), std::stod(row.at(4))) << row.at(0) << ": 8 bits err less than 2";
  Model alone = test::trained_network().clone(), plain = alone.clone();
  FakeContext own(alone, {.train = &data});
  quantize(
      "{calibration: {samples: 64, batch: 32}, weights: {bits: 2}, skip: [layer1.0.conv1, layer1.0.conv2, layer2.0.conv1, layer2.0.conv2, "
      "layer2.0.downsample.0, fc]}")
      .run(alone, own);
  quantize::OutputError error(plain, {.samples = 32, .batch = 32}, own);
  EXPECT_NEAR(error.of(alone), std::stod(table.rows.at(0).at(4)), 0.02 * error.of(alone));
}

TEST_F(Mixed, ATableSavesMeasuringWhenTheBudgetChanges) {
  const test::TempFolder folder;
  quantize::Options measured_with;
  measured_with.calibration = {.samples = 64, .batch = 32};
  measured_with.mixed = quantize::MixedOptions{.bits = {4, 8}, .budget = {}, .samples = 32, .table = {}};
  const SenseTable table = quantize::measure_sensitivity(model, measured_with, context);
  EXPECT_EQ(table.metric, quantize::kOutputError);
  EXPECT_EQ(table.points.size(), 14u);
  test::spit(folder.file("sense.json"), to_text(table));
  Model measured = model.clone(), read = model.clone();
  FakeContext first(model, {.train = &data}), second(model, {.train = &data});
  quantize(options("bits: [4, 8], budget: {bytes: 25%}")).run(measured, first);
  quantize(options("bits: [4, 8], budget: {bytes: 25%}, table: " + folder.file("sense.json"))).run(read, second);
  EXPECT_TRUE(test::equal_weights(measured, read));
  EXPECT_LT(second.progress_calls.size(), first.progress_calls.size() / 2);
}

TEST_F(Mixed, DropIsMeasuredAndFloatingPointIsAWayOut) {
  const double base = top1(model);
  const auto result = quantize(options("bits: [2, 8, 32], budget: {drop: 1pp}")).run(model, context);
  EXPECT_GE(top1(model), base - 0.01 - 1e-9);
  EXPECT_NEAR(statistic(result, "measured_drop"), 100 * (base - top1(model)), 1e-6);
}

TEST_F(Mixed, LatencyIsMeasuredUntilItIsMet) {
  // As if time went with the bits of all weights.
  context.latency = [](const Model& any) {
    double bits = 0;
    for (const QuantizedWeight& weight : quantized_weights(any)) bits += static_cast<double>(weight.bits * weight.source.numel());
    return bits == 0 ? 1.0 : bits * 1e-5;
  };
  const double all_eight = [&] {
    Model copy = model.clone();
    FakeContext own(model, {.train = &data});
    quantize("{}").run(copy, own);
    return context.latency(copy);
  }();
  const auto result = quantize(options("bits: [4, 8], budget: {latency: " + std::to_string(0.7 * all_eight) + "}")).run(model, context);
  EXPECT_LE(context.latency(model), 0.7 * all_eight * 1.02);
  EXPECT_NEAR(statistic(result, "latency_share"), context.latency(model), 1e-6);
}

TEST_F(Mixed, ImpossibleBudgetsAndWrongOptionsAreErrors) {
  const auto fails = [&](const std::string& yaml, const std::string& part) {
    Model copy = model.clone();
    FakeContext own(model, {.train = &data, .valid = &valid});
    try {
      quantize(yaml).run(copy, own);
      ADD_FAILURE() << yaml;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  fails(options("bits: [4, 8], budget: {bytes: 5%}"), "at the narrowest widths they are");
  fails(options("bits: [2, 3], budget: {drop: 0.0pp}", ", activations: {bits: 2}"), "cannot be kept");
  fails(options("budget: {}"), "exactly one of bytes, latency, drop");
  fails(options("bits: [4], budget: {bytes: 50%}"), "two or more");
  fails(options("bits: [4, 16], budget: {bytes: 50%}"), "widths from 2 to 8, and 32");
  fails(options("budget: {drop: 1pp}", ", mode: qat"), "without training");
  fails(options("budget: {drop: 1pp}, search: {}"), "`search` goes with a budget of bytes");
  fails(options("budget: {bytes: 30%}, search: {method: amc}"), "haq");
}

TEST_F(Mixed, QatTrainsTheChosenWidthsAndResumes) {
  const auto pass = quantize("{mode: qat, epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.02}}, mixed: {samples: 32, budget: {bytes: 22%}}}");
  Model killed = model.clone(), resumed = model.clone(), whole = model.clone();
  FakeContext uninterrupted(model, {.train = &data});
  pass.run(whole, uninterrupted);
  EXPECT_EQ(uninterrupted.stages.front(), "mixed");
  context.kill_after_saves = 1;
  EXPECT_THROW(pass.run(killed, context), test::Killed);
  context.restart();
  pass.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
}

TEST_F(Mixed, SearchKeepsTheBudgetAndEndsNoLowerThanLeastError) {
  const double before = static_cast<double>(weight_bytes(model));
  const std::string widths = "bits: [2, 3, 8], budget: {bytes: 20%}";
  Model plain = model.clone();
  FakeContext first(model, {.train = &data, .valid = &valid});
  quantize(options(widths)).run(plain, first);
  for (const std::string method : {"evolution", "haq"}) {
    Model whole = model.clone(), killed = model.clone(), resumed = model.clone();
    FakeContext own(model, {.train = &data, .valid = &valid}), other(model, {.train = &data, .valid = &valid});
    const auto pass = quantize(options(widths + ", search: {episodes: 14, method: " + method + "}"));
    const auto result = pass.run(whole, own);
    EXPECT_LE(statistic(result, "weights_on_disk"), before * 0.2) << method;
    EXPECT_GE(top1(whole), top1(plain)) << method;
    EXPECT_DOUBLE_EQ(top1(whole), statistic(result, "search_best_top1")) << "the widths that were found are those of the result";
    EXPECT_EQ(own.curve_values("search_top1").size(), 14u);
    EXPECT_DOUBLE_EQ(own.curve_values("search_top1").front(), top1(plain)) << "it begins with the choice of least error";
    other.kill_after_saves = 2;
    EXPECT_THROW(pass.run(killed, other), test::Killed);
    other.restart();
    pass.run(resumed, other);
    EXPECT_TRUE(test::equal_weights(whole, resumed)) << method;
  }
}

// Rows of a table are looked up: no multiply-accumulates to divide a budget of latency by.
TEST_F(Mixed, LatencyCannotBeDividedWithoutMultiplyAccumulates) {
  test::ModelBuilder build(1);
  auto* table = build.weight(InputKind::parameter, "p_", "words.weight", test::noise({16, 8}, 1));
  auto* rows = build.node("aten.embedding.default", {{"weight", table}, {"indices", build.input("ids", {4}, ScalarType::i64)}}, {4, 8}, "words", "torch.nn.modules.sparse.Embedding");
  Model tables = build.finish(rows);
  test::MemoryDataset ids(at::arange(64).remainder(16).reshape({16, 4}), {});
  for (const bool rehearsal : {true, false}) {
    FakeContext own(tables, {.train = &ids, .valid = &ids});
    own.rehearsal = rehearsal;
    own.metrics = [](const Model&, const Dataset&, std::int64_t) { return Metrics{{"top1", 1.0}}; };
    try {
      Model copy = tables.clone();
      quantize("{mode: weight_only, calibration: {samples: 16, batch: 8}, mixed: {samples: 8, bits: [4, 8], budget: {latency: 0.5}}}").run(copy, own);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::recipe);
      EXPECT_NE(error.to_text().find("multiply-accumulates"), std::string::npos) << error.to_text();
    }
  }
}

}  // namespace
}  // namespace dsc
