// Networks with early exits against networks that end there, plain loops over scores, and the chain against the whole.
#include <gtest/gtest.h>

#include <cmath>

#include "exec/exit_chain.h"
#include "exec/exit_rule.h"
#include "ops/blocks.h"
#include "ops/cost.h"
#include "ops/exit_stages.h"
#include "ops/quantization.h"
#include "passes/quantize/trained_network.h"
#include "passes/restructure/run_restructure.h"
#include "support/tiny_transformer.h"

namespace dsc {

PassInfo make_dynamic_early_exit();

namespace {

using test::ConfiguredPass;
using test::FakeContext;

constexpr test::TransformerSizes kFourLayers{.layers = 4, .vocabulary = 7};

ConfiguredPass exits(const std::string& yaml) { return {make_dynamic_early_exit(), yaml}; }

Model with_exits(const Model& model, const std::string& yaml, test::FakeData data = {}) {
  Model made = model.clone();
  FakeContext context(model, data);
  exits(yaml).run(made, context);
  return made;
}

std::vector<at::Tensor> outputs_of(const Model& model, const std::vector<at::Tensor>& inputs) {
  c10::NoGradGuard no_grad;
  return Executor(model, {}).run(inputs);
}

std::vector<at::Tensor> inputs_of(const Dataset& data) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(data.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  return data.batch(all, std::nullopt).inputs;
}

// The chain in LibTorch, and its stages, which it reads.
struct Chain {
  explicit Chain(const Model& model) : stages(exit_stages(model)) {
    std::vector<StageEngine> engines;
    for (const Model& stage : stages.models) engines.push_back({nullptr, std::make_unique<Executor>(stage, ExecutorOptions{})});
    chain = std::make_unique<ExitChain>(stages.plan, std::move(engines));
  }
  ExitStages stages;
  std::unique_ptr<ExitChain> chain;
};

class EarlyExit : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }
  test::TokenDataset train{256, 1, kFourLayers}, valid{120, 2, kFourLayers};
  Model encoder = test::tiny_transformer(1, kFourLayers);
};

// The tiny network's weights follow from their names: one of two layers is the first half of one of four.
TEST_F(EarlyExit, ACopiedHeadIsTheShallowerNetwork) {
  const Model model = with_exits(encoder, "{blocks: [encoder.layer.0, encoder.layer.2], threshold: 0.9, epochs: 0}");
  const auto inputs = inputs_of(valid);
  const auto outputs = outputs_of(model, inputs);
  ASSERT_EQ(outputs.size(), 3U);
  for (const auto& [layers, output] : std::vector<std::pair<std::int64_t, std::size_t>>{{4, 0}, {1, 1}, {3, 2}}) {
    const Model shallow = test::tiny_transformer(1, {.layers = layers, .vocabulary = 7});
    EXPECT_TRUE(outputs[output].equal(outputs_of(shallow, inputs).front())) << layers << " layers";
  }
}

// Where sizes differ, the head is the mean over positions and a linear layer.
TEST_F(EarlyExit, APooledHeadIsMeanAndLinearLayer) {
  const Model model = with_exits(test::tiny_residual_cnn(), "{count: 1, threshold: 0.9, epochs: 0}");
  const auto x = inputs_of(test::synthetic_images(9)).front();
  const Model plain = test::tiny_residual_cnn();
  const std::string block = find_blocks(plain.graph).front().output->name();
  const auto scores = outputs_of(model, {x}).at(1);
  at::Tensor features;
  c10::NoGradGuard no_grad;
  Executor(model, {}).run({x}, {model.graph.find_value(block)}, [&](const Value&, const at::Tensor& tensor) { features = tensor; });
  const auto &w = model.weights.get("exits.0.classifier.weight"), &b = model.weights.get("exits.0.classifier.bias");
  for (std::int64_t n = 0; n < 9; ++n) {
    for (std::int64_t k = 0; k < 4; ++k) {
      double sum = b[k].item<double>();
      for (std::int64_t c = 0; c < 8; ++c) sum += w[k][c].item<double>() * features[n][c].to(at::kDouble).mean().item<double>();
      EXPECT_NEAR(scores[n][k].item<double>(), sum, 1e-5);
    }
  }
}

// Every second sentence ends in padding; what it holds is not asked for.
TEST_F(EarlyExit, AMeanIsOfThePositionsThatTheMaskCounts) {
  const Model model = with_exits(encoder, "{blocks: [encoder.layer.1], head: mean, mask: mask, threshold: 0.9, epochs: 0}");
  const auto inputs = inputs_of(valid);
  at::Tensor features, scores;
  c10::NoGradGuard no_grad;
  const Value* block = find_blocks(model.graph)[1].output;
  scores = Executor(model, {}).run(inputs, {block}, [&](const Value&, const at::Tensor& tensor) { features = tensor; }).at(1);
  const auto &w = model.weights.get("exits.0.classifier.weight"), &b = model.weights.get("exits.0.classifier.bias");
  const std::int64_t length = inputs[1].size(1);
  for (std::int64_t n = 0; n < valid.size(); ++n) {
    const std::int64_t counted = length - n % 2;
    for (std::int64_t k = 0; k < 3; ++k) {
      double sum = b[k].item<double>();
      for (std::int64_t c = 0; c < 8; ++c) {
        double mean = 0;
        for (std::int64_t t = 0; t < counted; ++t) mean += features[n][t][c].item<double>() / static_cast<double>(counted);
        sum += w[k][c].item<double>() * mean;
      }
      ASSERT_NEAR(scores[n][k].item<double>(), sum, 1e-5) << n;
    }
  }
  Chain made(model);
  made.chain->leave_at(0);
  EXPECT_TRUE(made.chain->run(inputs).front().equal(scores));
}

TEST_F(EarlyExit, AFrozenNetworkKeepsItsScoresWhileItsHeadsLearn) {
  Model model = encoder.clone();
  FakeContext context(encoder, {.train = &train, .valid = &valid});
  exits("{count: 2, threshold: 0.9, epochs: 4, batch: 32, optimizer: {adamw: {lr: 0.01}}, schedule: constant}").run(model, context);
  EXPECT_TRUE(outputs_of(model, inputs_of(valid)).front().equal(outputs_of(encoder, inputs_of(valid)).front()));
  for (const char* curve : {"loss_exit1_labels", "loss_exit2_labels", "loss_exit1_kd", "train_loss"}) {
    const auto values = context.curve_values(curve);
    ASSERT_EQ(values.size(), 4U) << curve;
    EXPECT_LT(values.back(), values.front()) << curve;
  }
}

TEST_F(EarlyExit, ATrainedTrunkTrainsOnItsOwnLabelsToo) {
  const Model plain = test::tiny_residual_cnn();
  auto pictures = test::synthetic_images(256), others = test::synthetic_images(64, 1);
  Model model = plain.clone();
  FakeContext context(plain, {.train = &pictures, .valid = &others});
  exits("{count: 1, max_drop: 1pp, trunk: trained, epochs: 6, batch: 32, optimizer: {sgd: {lr: 0.05}}, schedule: constant}").run(model, context);
  EXPECT_GT(test::evaluate_classifier(model, others).at("top1"), test::evaluate_classifier(plain, others).at("top1") + 0.3);
  EXPECT_LT(context.curve_values("loss_end_labels").back(), context.curve_values("loss_end_labels").front());
}

TEST_F(EarlyExit, ResumesToTheSameBytes) {
  for (const char* trunk : {"frozen", "trained"}) {
    const auto pass = exits(std::string("{count: 2, max_drop: 1pp, epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.05}}, trunk: ") + trunk + "}");
    Model whole = encoder.clone(), killed = encoder.clone(), resumed = encoder.clone();
    FakeContext uninterrupted(encoder, {.train = &train, .valid = &valid}), context(encoder, {.train = &train, .valid = &valid});
    pass.run(whole, uninterrupted);
    context.kill_after_saves = 2;
    EXPECT_THROW(pass.run(killed, context), test::Killed);
    context.restart();
    pass.run(resumed, context);
    EXPECT_TRUE(test::equal_weights(whole, resumed)) << trunk;
    EXPECT_EQ(exits_of(whole)->rule.threshold, exits_of(resumed)->rule.threshold);
  }
}

// --- the chain ---

TEST_F(EarlyExit, AChainThatNobodyLeavesIsTheWholeBitForBit) {
  const Model model = with_exits(encoder, "{count: 3, threshold: 1, epochs: 0}");
  Chain made(model);
  EXPECT_EQ(made.stages.models.size(), 4U);
  EXPECT_TRUE(made.chain->run(inputs_of(valid)).front().equal(outputs_of(encoder, inputs_of(valid)).front()));
  EXPECT_EQ(made.chain->counts(), (std::vector<std::int64_t>{0, 0, 0, valid.size()}));
}

TEST_F(EarlyExit, EachExitOfTheChainGivesItsScoresBitForBit) {
  const Model model = with_exits(encoder, "{count: 3, threshold: 0.9, epochs: 0}");
  const auto outputs = outputs_of(model, inputs_of(valid));
  Chain made(model);
  for (std::size_t exit = 0; exit < 4; ++exit) {
    made.chain->leave_at(exit);
    EXPECT_TRUE(made.chain->run(inputs_of(valid)).front().equal(outputs[exit == 3 ? 0 : exit + 1])) << "exit " << exit;
  }
}

// A layer's weights are in the stage that runs it, and nowhere else.
TEST_F(EarlyExit, AStageHasTheWeightsOfItsOwnLayersAlone) {
  const Chain made(with_exits(encoder, "{blocks: [encoder.layer.1], threshold: 0.9, epochs: 0}"));
  const auto has = [&](std::size_t stage, const char* weight) { return made.stages.models[stage].weights.has(weight); };
  EXPECT_TRUE(has(0, "encoder.layer.1.up.weight") && has(0, "exits.0.classifier.weight") && has(1, "encoder.layer.2.up.weight") &&
              has(1, "classifier.weight"));
  EXPECT_FALSE(has(1, "encoder.layer.1.up.weight") || has(1, "exits.0.classifier.weight") || has(0, "encoder.layer.2.up.weight") ||
               has(0, "classifier.weight"));
}

// By the definition, one row at a time in double precision.
std::size_t leaves_at(const ExitRule& rule, const std::vector<at::Tensor>& scores, std::int64_t row) {
  double streak = 0;
  std::int64_t before = -1;
  for (std::size_t exit = 0; exit + 1 < scores.size(); ++exit) {
    const auto row_scores = scores[exit][row].to(at::kDouble).contiguous();
    const std::vector<double> logits(row_scores.data_ptr<double>(), row_scores.data_ptr<double>() + row_scores.numel());
    double sum = 0, largest = 0, entropy = 0;
    std::int64_t choice = 0;
    for (const double logit : logits) sum += std::exp(logit);
    for (std::size_t k = 0; k < logits.size(); ++k) {
      const double p = std::exp(logits[k]) / sum;
      if (p > largest) choice = static_cast<std::int64_t>(k);
      largest = std::max(largest, p);
      entropy -= p * std::log(p) / std::log(static_cast<double>(logits.size()));
    }
    streak = choice == before ? streak + 1 : 0;
    before = choice;
    const bool leaves = rule.criterion == ExitCriterion::confidence ? largest > rule.threshold
                        : rule.criterion == ExitCriterion::entropy  ? entropy < rule.threshold
                                                                    : streak >= rule.threshold;
    if (leaves) return exit;
  }
  return scores.size() - 1;
}

struct RuleCase {
  const char* criterion;
  double threshold;
};

class EarlyExitRules : public testing::TestWithParam<RuleCase> {};

TEST_P(EarlyExitRules, LetRowsLeaveWherePlainLoopsDoWithTheScoresFromThere) {
  set_threads(1);
  const auto& [criterion, threshold] = GetParam();
  const Model model = with_exits(test::tiny_transformer(1, kFourLayers),
                                 std::string("{count: 3, epochs: 0, criterion: ") + criterion + ", threshold: " + std::to_string(threshold) + "}");
  const auto inputs = inputs_of(test::TokenDataset(97, 3, kFourLayers));
  auto outputs = outputs_of(model, inputs);
  std::rotate(outputs.begin(), outputs.begin() + 1, outputs.end());
  Chain made(model);
  const at::Tensor scores = made.chain->run(inputs).front();
  std::vector<std::int64_t> counts(4, 0);
  for (std::int64_t row = 0; row < 97; ++row) {
    const std::size_t exit = leaves_at(exits_of(model)->rule, outputs, row);
    ++counts[exit];
    EXPECT_EQ(made.chain->taken()[row].item<std::int64_t>(), static_cast<std::int64_t>(exit)) << "row " << row;
    EXPECT_LE((scores[row] - outputs[exit][row]).abs().max().item<double>(), 1e-5) << "row " << row;
  }
  EXPECT_EQ(made.chain->counts(), counts);
  EXPECT_TRUE(exits_taken(exits_of(model)->rule, outputs).equal(made.chain->taken()));
  EXPECT_GT(std::ranges::count_if(counts, [](std::int64_t count) { return count > 0; }), 1) << "the case tells nothing";
}

INSTANTIATE_TEST_SUITE_P(, EarlyExitRules,
                         testing::Values(RuleCase{"confidence", 0.6}, RuleCase{"entropy", 0.8}, RuleCase{"patience", 1}, RuleCase{"patience", 2}),
                         [](const auto& info) {
                           return std::string(info.param.criterion) + std::to_string(static_cast<int>(10 * info.param.threshold));
                         });

TEST_F(EarlyExit, OfConvolutionsTheChainIsTheWholeToo) {
  const Model model = with_exits(test::tiny_residual_cnn(), "{at: [0.5], threshold: 1, epochs: 0}");
  const auto x = inputs_of(test::synthetic_images(9));
  Chain made(model);
  EXPECT_TRUE(made.chain->run(x).front().equal(outputs_of(test::tiny_residual_cnn(), x).front()));
  made.chain->leave_at(0);
  EXPECT_TRUE(made.chain->run(x).front().equal(outputs_of(model, x).at(1)));
}

// Of two layers that share a quantiser one may lie behind an exit: an engine computes it in integers only if it finds the quantiser there.
TEST_F(EarlyExit, QuantisedTheChainIsTheWholeAndEachStageHasItsQuantisers) {
  Model model = with_exits(encoder, "{count: 2, threshold: 0.9, epochs: 0}");
  FakeContext context(model, {.train = &train});
  test::quantize("{mode: ptq, calibration: {samples: 64, batch: 32}}").run(model, context);
  const auto outputs = outputs_of(model, inputs_of(valid));
  Chain made(model);
  for (std::size_t exit = 0; exit < 3; ++exit) {
    made.chain->leave_at(exit);
    EXPECT_TRUE(made.chain->run(inputs_of(valid)).front().equal(outputs[exit == 2 ? 0 : exit + 1])) << "exit " << exit;
    for (const Node* node : made.stages.models[exit].graph.nodes()) {
      if (!node->is("aten.linear.default")) continue;
      const Value* input = node->find_value("input");
      while (input->producer() && moved_value(*input->producer())) input = moved_value(*input->producer());
      EXPECT_TRUE(input->producer() && is_fake_quantize(*input->producer())) << node->module_path() << " in stage " << exit;
    }
  }
}

// --- the threshold ---

double statistic(const PassResult& result, const std::string& name) {
  for (const auto& statistic : result.statistics) {
    if (statistic.name == name) return statistic.value;
  }
  ADD_FAILURE() << name;
  return 0;
}

TEST_F(EarlyExit, TheChosenThresholdKeepsMaxDropByPlainCounting) {
  Model model = encoder.clone();
  FakeContext context(encoder, {.train = &train, .valid = &valid});
  const auto result = exits("{count: 2, max_drop: 2pp, trunk: trained, epochs: 12, batch: 32, optimizer: {adamw: {lr: 0.01}}}").run(model, context);
  const double end = test::evaluate_classifier(model, valid).at("top1");
  EXPECT_NEAR(statistic(result, "valid_top1_of_the_end"), end, 1e-9);
  EXPECT_NEAR(statistic(result, "valid_top1_before"), test::evaluate_classifier(encoder, valid).at("top1"), 1e-9);
  auto outputs = outputs_of(model, inputs_of(valid));
  std::rotate(outputs.begin(), outputs.begin() + 1, outputs.end());
  double right = 0;
  for (std::int64_t row = 0; row < valid.size(); ++row) {
    const std::size_t exit = leaves_at(exits_of(model)->rule, outputs, row);
    right += outputs[exit][row].argmax().item<std::int64_t>() == valid.batch(std::vector{row}, std::nullopt).target.item<std::int64_t>();
  }
  const double accuracy = right / static_cast<double>(valid.size());
  EXPECT_NEAR(statistic(result, "valid_top1_with_exits"), accuracy, 1e-9);
  EXPECT_GE(accuracy, end - 0.02 - 1e-9);
  EXPECT_LT(statistic(result, "mean_macs"), 1);
}

// The mean of what examples cost, by where plain counting lets them leave: the threshold keeps to it, and the next more careful one that is looked at
// would not.
TEST_F(EarlyExit, TheChosenThresholdKeepsMaxCostByPlainCounting) {
  Model model = encoder.clone();
  FakeContext context(encoder, {.train = &train, .valid = &valid});
  const auto result = exits("{count: 2, max_cost: 0.7, trunk: trained, epochs: 12, batch: 32, optimizer: {adamw: {lr: 0.01}}}").run(model, context);
  auto outputs = outputs_of(model, inputs_of(valid));
  std::rotate(outputs.begin(), outputs.begin() + 1, outputs.end());
  std::vector<double> until;
  for (const Model& stage : exit_stages(model).models) until.push_back((until.empty() ? 0 : until.back()) + model_cost(stage).macs);
  const auto mean_cost = [&](double threshold) {
    double sum = 0;
    for (std::int64_t row = 0; row < valid.size(); ++row) sum += until[leaves_at({ExitCriterion::confidence, threshold}, outputs, row)];
    return sum / static_cast<double>(valid.size()) / model_cost(encoder).macs;
  };
  const double chosen = exits_of(model)->rule.threshold;
  EXPECT_NEAR(statistic(result, "mean_macs"), mean_cost(chosen), 1e-9);
  EXPECT_LE(mean_cost(chosen), 0.7);
  EXPECT_GT(mean_cost(chosen), 0.6);
  EXPECT_TRUE(result.notes.empty() || result.notes.front().find("max_cost") == std::string::npos);
}

TEST_F(EarlyExit, ACostThatNoThresholdHasIsSaid) {
  Model model = encoder.clone();
  FakeContext context(encoder, {.valid = &valid});
  const auto result = exits("{count: 1, max_cost: 0.05, epochs: 0}").run(model, context);
  EXPECT_TRUE(std::ranges::any_of(result.notes, [](const auto& note) { return note.starts_with("no threshold keeps max_cost"); }));
  EXPECT_LT(statistic(result, "mean_macs"), 0.7);  // all leave behind the second of four blocks
}

TEST_F(EarlyExit, ABudgetOfNothingLosesNothing) {
  test::TokenDataset odd{64, 5, kFourLayers};
  Model model = encoder.clone();
  FakeContext context(encoder, {.valid = &odd});
  const auto result = exits("{count: 1, max_drop: 0pp, epochs: 0}").run(model, context);
  EXPECT_GE(statistic(result, "valid_top1_with_exits") + 1e-9, statistic(result, "valid_top1_before"));
}

TEST_F(EarlyExit, TablesTellAccuracyCostAndDifficultyByThreshold) {
  Model model = encoder.clone();
  FakeContext context(encoder, {.train = &train, .valid = &valid});
  context.latency = [](const Model& m) {
    return m.weights.has("encoder.layer.0.up.weight") && m.weights.has("encoder.layer.3.up.weight") ? 4.0 : 2.1;
  };
  const auto result = exits("{count: 1, threshold: 0.7, epochs: 1, batch: 32, latency: true}").run(model, context);
  ASSERT_EQ(result.tables.size(), 3U);
  const Table& thresholds = result.tables[0];
  EXPECT_EQ(thresholds.columns, (std::vector<std::string>{"threshold", "top1", "lost", "mean MACs", "mean ms", "of the whole",
                                                          "leave at encoder.layer.1", "leave at the end"}));
  EXPECT_EQ(thresholds.rows.back()[4], "4.200");  // nobody leaves: both stages
  EXPECT_EQ(thresholds.rows.back()[7], "100.00 %");
  EXPECT_TRUE(std::ranges::any_of(thresholds.rows, [](const auto& row) { return row[0] == "0.7 (chosen)"; }));
  EXPECT_EQ(result.tables[1].rows.size(), 2U);
  EXPECT_EQ(std::stoll(result.tables[1].rows[0][1]) + std::stoll(result.tables[1].rows[1][1]), valid.size());
}

// --- mistakes ---

struct ExitMistake {
  const char* yaml;
  const char* message;
  const char* pointer;
};

class EarlyExitMistakes : public testing::TestWithParam<ExitMistake> {};

TEST_P(EarlyExitMistakes, AreOneProblemWithItsPlace) {
  const auto problems = exits(GetParam().yaml).check(test::tiny_transformer(1, kFourLayers));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].message.find(GetParam().message), std::string::npos) << problems[0].message;
  EXPECT_EQ(problems[0].place.pointer, GetParam().pointer);
}

INSTANTIATE_TEST_SUITE_P(
    , EarlyExitMistakes,
    testing::Values(ExitMistake{"{blocks: [encoder.layers.1], threshold: 0.9}", "has no block `encoder.layers.1`", "/blocks/0"},
                    ExitMistake{"{blocks: [encoder.layer.3], threshold: 0.9}", "is the network's own end", "/blocks/0"},
                    ExitMistake{"{at: [0.5, 0.95], threshold: 0.9}", "at 0.95 of 4 blocks", "/at/1"},
                    ExitMistake{"{count: 4, threshold: 0.9}", "`count` 4 is too many", "/count"},
                    ExitMistake{"{count: 2, threshold: 1.5}", "threshold 1.5 is out of range: confidence takes numbers from 0 to 1", "/threshold"},
                    ExitMistake{"{count: 2, criterion: patience, threshold: 0.5}", "patience takes whole numbers from 1 to 2", "/threshold"},
                    ExitMistake{"{count: 2, threshold: 0.9, head: mean, mask: masks}", "no input `masks`", "/mask"}));

TEST_F(EarlyExit, NeedsAClassifierWithBlocksAndNoExits) {
  const auto only_problem = [](const Model& model) {
    const auto problems = exits("{count: 1, threshold: 0.9}").check(model);
    return problems.size() == 1 ? problems[0].message : std::to_string(problems.size()) + " problems";
  };
  EXPECT_NE(only_problem(test::tiny_mlp()).find("no two blocks"), std::string::npos);
  EXPECT_NE(only_problem(with_exits(encoder, "{count: 1, threshold: 0.9, epochs: 0}")).find("has early exits already"), std::string::npos);
  Model tokens = encoder.clone();
  tokens.graph.set_output(0, find_blocks(tokens.graph).back().output);
  EXPECT_NE(only_problem(tokens).find("need a classifier"), std::string::npos);
}

TEST_F(EarlyExit, RefusesAModelOfAFixedBatch) {
  Model model = encoder.clone();
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind != InputKind::user) continue;
    TensorType type = input.value->tensor();
    type.sizes.front() = {2, ""};
    model.graph.set_type(input.value, type);
  }
  FakeContext context(model);
  try {
    exits("{count: 1, threshold: 0.9, epochs: 0}").run(model, context);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("exported for 2 examples at a time"), std::string::npos) << error.what();
  }
}

TEST_F(EarlyExit, NeedsAClassForEachExample) {
  test::MemoryDataset numbers(test::noise({16, 3, 8, 8}, 1), test::noise({16}, 2));
  Model model = test::tiny_residual_cnn();
  FakeContext context(model, {.valid = &numbers});
  try {
    exits("{count: 1, max_drop: 1pp, epochs: 0}").run(model, context);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    EXPECT_NE(std::string(error.what()).find("one class label for each example"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dsc
