// Networks of several resolutions against plain loops over scores of pictures made smaller, and a training step of PyTorch.
#include "exec/resolutions.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "exec/exit_chain.h"
#include "ops/cost.h"
#include "passes/restructure/run_restructure.h"
#include "support/hybrid_network.h"

namespace dsc {

PassInfo make_dynamic_resolution();
PassInfo make_dynamic_early_exit();

namespace {

using test::ConfiguredPass;
using test::FakeContext;

ConfiguredPass resolution(const std::string& yaml) { return {make_dynamic_resolution(), yaml}; }

// The scores of pictures of 8 x 8 at their own size and at smaller ones.
at::Tensor scores_at(const Model& model, const at::Tensor& pictures, std::int64_t size) {
  const at::Tensor seen = size == 8 ? pictures : at::_upsample_bilinear2d_aa(pictures, {size, size}, false);
  Model open = model.clone();
  TensorType type = open.graph.find_value("x")->tensor();
  type.sizes[2] = type.sizes[3] = {size, {}};
  open.graph.set_type(open.graph.find_value("x"), type);
  return test::output_of(open, {seen});
}

double largest_probability(const at::Tensor& scores) {
  double sum = 0, largest = -INFINITY;
  for (std::int64_t k = 0; k < scores.size(0); ++k) {
    sum += std::exp(scores[k].item<double>());
    largest = std::max(largest, scores[k].item<double>());
  }
  return std::exp(largest) / sum;
}

class DynamicResolution : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }
  PassResult run(Model& model, const std::string& yaml, const std::function<void(FakeContext&)>& prepare = {}) {
    FakeContext context(model, {.train = &train, .valid = &valid});
    if (prepare) prepare(context);
    return resolution(yaml).run(model, context);
  }
  test::MemoryDataset train = test::synthetic_images(256), valid = test::synthetic_images(100, 1);
  Model cnn = test::tiny_residual_cnn();
};

double resolution_figure(const PassResult& result, const std::string& name) {
  for (const auto& statistic : result.statistics) {
    if (statistic.name == name) return statistic.value;
  }
  ADD_FAILURE() << name;
  return 0;
}

TEST_F(DynamicResolution, AChainLooksCloserWhereAPlainLoopDoes) {
  const at::Tensor pictures = valid.inputs();
  std::vector<double> sureness;  // at the smallest size
  const at::Tensor smallest = scores_at(cnn, pictures, 4);
  for (std::int64_t row = 0; row < pictures.size(0); ++row) sureness.push_back(largest_probability(smallest[row]));
  std::ranges::sort(sureness);
  run(cnn, "{sizes: [6, 4], threshold: " + std::to_string(sureness[50]) + ", epochs: 0}");
  const double threshold = resolutions_of(cnn)->rule.threshold;
  const ExitStages stages = resolution_stages(cnn);
  ASSERT_EQ(stages.plan.stages.size(), 3U);
  EXPECT_EQ(stages.plan.stages.front().block, "4 x 4");
  std::vector<StageEngine> engines;
  for (const Model& stage : stages.models) engines.push_back({nullptr, std::make_unique<Executor>(stage, ExecutorOptions{})});
  ExitChain chain(stages.plan, std::move(engines));
  const at::Tensor scores = chain.run({pictures}).front();
  std::vector<std::int64_t> counts(3, 0);
  for (std::int64_t row = 0; row < pictures.size(0); ++row) {
    std::size_t stage = 0;
    at::Tensor expected;
    for (const std::int64_t size : {4, 6, 8}) {
      expected = scores_at(cnn, pictures.narrow(0, row, 1), size)[0];
      if (size == 8 || largest_probability(expected) > threshold) break;
      ++stage;
    }
    ++counts[stage];
    EXPECT_EQ(chain.taken()[row].item<std::int64_t>(), static_cast<std::int64_t>(stage)) << "row " << row;
    EXPECT_LE((scores[row] - expected).abs().max().item<double>(), 1e-5) << "row " << row;
  }
  EXPECT_EQ(chain.counts(), counts);
  EXPECT_GT(std::ranges::count_if(counts, [](std::int64_t count) { return count > 0; }), 1) << "the case tells nothing";
  EXPECT_EQ(chain.name(), "chain of 3 resolutions, libtorch f32");
}

// One step of SGD on three sizes of the same batch: smaller ones with the running statistics of the pictures' own size.
TEST_F(DynamicResolution, ATrainingStepIsPyTorchs) {
  test::MemoryDataset three(test::hybrid_record("input0"), test::hybrid_record("train.target"));
  for (const char* name : {"hybrid", "hybrid_fixed"}) {
    Model model = test::hybrid_network(name);
    FakeContext context(model, {.train = &three});
    resolution(
        "{sizes: [8, 12], threshold: 0.9, epochs: 1, batch: 3, bf16: false, schedule: constant, optimizer: {sgd: {lr: 0.1, momentum: 0, "
        "weight_decay: 0}}}")
        .run(model, context);
    const auto expected = test::hybrid_records("train.weight.");
    ASSERT_GT(expected.size(), 10U);
    for (const auto& [weight, tensor] : expected)
      EXPECT_LE((model.weights.get(weight) - tensor).abs().max().item<double>(), 1e-5) << name << " " << weight;
  }
}

TEST_F(DynamicResolution, SmallerSizesLearn) {
  const Model before = cnn.clone();
  const auto right = [&](const Model& model, std::int64_t size) {
    return scores_at(model, valid.inputs(), size).argmax(1).eq(valid.target()).to(at::kDouble).mean().item<double>();
  };
  const auto result = run(cnn, "{sizes: [6], max_drop: 5pp, epochs: 8, batch: 32, optimizer: {sgd: {lr: 0.05}}, schedule: constant}");
  EXPECT_GT(right(cnn, 6), right(before, 6) + 0.2);
  EXPECT_GT(right(cnn, 8), right(before, 8) + 0.3);
  EXPECT_NEAR(resolution_figure(result, "valid_top1_of_the_end"), right(cnn, 8), 1e-9);
  EXPECT_NEAR(resolution_figure(result, "valid_top1_before"), right(before, 8), 1e-9);
}

TEST_F(DynamicResolution, TheChosenThresholdKeepsMaxDropByPlainCounting) {
  const auto result = run(cnn, "{sizes: [4], max_drop: 2pp, epochs: 6, batch: 32, optimizer: {sgd: {lr: 0.05}}}");
  const double threshold = resolutions_of(cnn)->rule.threshold;
  const at::Tensor small = scores_at(cnn, valid.inputs(), 4), large = scores_at(cnn, valid.inputs(), 8);
  double right = 0, end = 0, closer = 0;
  for (std::int64_t row = 0; row < valid.size(); ++row) {
    const auto label = valid.target()[row].item<std::int64_t>();
    const bool stays = largest_probability(small[row]) > threshold;
    closer += stays ? 0 : 1;
    right += (stays ? small : large)[row].argmax().item<std::int64_t>() == label;
    end += large[row].argmax().item<std::int64_t>() == label;
  }
  const auto all = static_cast<double>(valid.size());
  EXPECT_NEAR(resolution_figure(result, "valid_top1_over_resolutions"), right / all, 1e-9);
  EXPECT_GE(right / all, std::max(end / all, resolution_figure(result, "valid_top1_before")) - 0.02 - 1e-9);
  const double whole = model_cost(at_resolution(cnn, {8, 8}, {8, 8})).macs, probe = model_cost(at_resolution(cnn, {8, 8}, {4, 4})).macs;
  EXPECT_NEAR(resolution_figure(result, "mean_macs"), (probe + closer / all * whole) / whole, 1e-9);
}

TEST_F(DynamicResolution, ResumesToTheSameBytes) {
  const auto pass = resolution("{sizes: [4, 6], max_drop: 1pp, epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.05}}}");
  Model whole = cnn.clone(), killed = cnn.clone(), resumed = cnn.clone();
  FakeContext uninterrupted(cnn, {.train = &train, .valid = &valid}), context(cnn, {.train = &train, .valid = &valid});
  pass.run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(pass.run(killed, context), test::Killed);
  context.restart();
  pass.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
  EXPECT_EQ(resolutions_of(whole)->rule.threshold, resolutions_of(resumed)->rule.threshold);
}

TEST_F(DynamicResolution, TablesTellEachSizeAndEachThreshold) {
  const auto result = run(cnn, "{sizes: [4], threshold: 0.5, epochs: 0, latency: true}", [](FakeContext& context) {
    context.latency = [](const Model& model) { return model.graph.nodes().front()->op() == "aten._upsample_bilinear2d_aa" ? 1.0 : 4.0; };
  });
  ASSERT_EQ(result.tables.size(), 3U);
  const Table& sizes = result.tables[0];
  EXPECT_EQ(sizes.columns, (std::vector<std::string>{"resolution", "top1", "lost", "mean MACs", "mean ms", "of the whole"}));
  ASSERT_EQ(sizes.rows.size(), 2U);
  EXPECT_EQ(sizes.rows[0][0], "4 x 4");
  EXPECT_EQ(sizes.rows[0][4], "1.000");
  EXPECT_EQ(sizes.rows[0][5], "25.00 %");
  EXPECT_EQ(sizes.rows[1][3], "100.00 %");
  EXPECT_EQ(result.tables[1].columns.back(), "leave at 8 x 8");
  EXPECT_EQ(result.tables[1].rows.back()[4], "5.000");  // all look twice
}

// --- mistakes ---

struct ResolutionMistake {
  const char* yaml;
  const char* message;
  const char* pointer;
};

class DynamicResolutionMistakes : public testing::TestWithParam<ResolutionMistake> {};

TEST_P(DynamicResolutionMistakes, AreOneProblemWithItsPlace) {
  Model model = test::tiny_residual_cnn();
  auto pictures = test::synthetic_images(8);
  FakeContext context(model, {.train = &pictures, .valid = &pictures});
  try {
    resolution(GetParam().yaml).run(model, context);
    FAIL() << "no error";
  } catch (const Error& error) {
    ASSERT_EQ(error.problems().size(), 1U);
    EXPECT_EQ(error.code(), ErrorCode::recipe);
    EXPECT_NE(error.problems()[0].message.find(GetParam().message), std::string::npos) << error.what();
    EXPECT_EQ(error.problems()[0].place.pointer, GetParam().pointer);
  }
}

INSTANTIATE_TEST_SUITE_P(, DynamicResolutionMistakes,
                         testing::Values(ResolutionMistake{"{sizes: [4, 8], threshold: 0.9}", "8 is no smaller height than the pictures have, 8 x 8",
                                                           "/sizes/1"},
                                         ResolutionMistake{"{sizes: [4], threshold: 1.5}", "threshold 1.5 is out of range", "/threshold"}));

TEST_F(DynamicResolution, NeedsAClassifierOfPicturesAndNoExits) {
  const auto only_problem = [](const Model& model) {
    const auto problems = resolution("{sizes: [4], threshold: 0.9}").check(model);
    return problems.size() == 1 ? problems[0].message : std::to_string(problems.size()) + " problems";
  };
  EXPECT_NE(only_problem(test::tiny_mlp()).find("one input is pictures"), std::string::npos);
  Model model = cnn.clone();
  FakeContext context(cnn);
  ConfiguredPass(make_dynamic_early_exit(), "{count: 1, threshold: 0.9, epochs: 0}").run(model, context);
  EXPECT_NE(only_problem(model).find("has early exits"), std::string::npos);
  run(cnn, "{sizes: [4], threshold: 0.9, epochs: 0}");
  EXPECT_NE(only_problem(cnn).find("several resolutions already"), std::string::npos);
}

}  // namespace
}  // namespace dsc
