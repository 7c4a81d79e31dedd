// What passes measure in several processes, each on batches of its own, against one process on all of them.
#include <gtest/gtest.h>

#include "passes/prune/choose/importance.h"
#include "passes/quantize/ranges/calibrate.h"
#include "passes/quantize/weights/layer_inputs.h"
#include "support/fake_context.h"
#include "support/rank_threads.h"
#include "support/ranked_context.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

constexpr std::int64_t kExamples = 70, kBatch = 20;  // four batches, the last one smaller

// Of one process, and of every rank of a run with that many.
template <class Result>
std::vector<Result> on_ranks(std::int64_t size, const Model& model, test::FakeData data, const std::function<Result(PassContext&)>& measure) {
  std::vector<Result> results(static_cast<std::size_t>(size));
  test::expect_no_errors(test::run_ranks(size, [&](Ranks& ranks) {
    test::RankedFakeContext context(model, data, ranks);
    results[static_cast<std::size_t>(ranks.rank())] = measure(context);
  }));
  return results;
}

class SharedCalibration : public testing::TestWithParam<quantize::Observer> {};

TEST_P(SharedCalibration, FindsTheRangesOfOneProcess) {
  const Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(kExamples);
  std::vector<quantize::RangeRequest> requests;
  for (const char* name : {"relu", "relu_1"}) requests.push_back({model.graph.find_value(name), {.observer = GetParam(), .momentum = 0.7}});
  const std::function<std::vector<quantize::Range>(PassContext&)> measure = [&](PassContext& context) {
    return quantize::calibrate(model, requests, {.samples = kExamples, .batch = kBatch}, context);
  };
  test::FakeContext alone(model, {.train = &train});
  const auto expected = measure(alone);
  EXPECT_LT(expected[0].minimum, expected[0].maximum);
  for (const std::int64_t size : {2, 5}) {
    for (const auto& found : on_ranks(size, model, {.train = &train}, measure)) {
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].minimum, expected[i].minimum) << size << " ranks";
        EXPECT_EQ(found[i].maximum, expected[i].maximum) << size << " ranks";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Observers, SharedCalibration,
                         testing::Values(quantize::Observer::minmax, quantize::Observer::ema, quantize::Observer::percentile, quantize::Observer::mse,
                                         quantize::Observer::kl));

class SharedImportance : public testing::TestWithParam<prune::Importance> {};

TEST_P(SharedImportance, IsThatOfOneProcess) {
  const Model model = test::tiny_mlp();
  const ChannelGroups groups(model);
  test::MemoryDataset train = test::synthetic_classes(kExamples);
  const prune::ImportanceOptions options{.importance = GetParam(), .batches = 4, .batch = kBatch};
  const std::function<std::vector<double>(PassContext&)> measure = [&](PassContext& context) {
    return prune::unit_scores(model, groups, options, context, 1);
  };
  test::FakeContext alone(model, {.train = &train});
  const auto expected = measure(alone);
  for (const std::int64_t size : {2, 5}) {
    const auto found = on_ranks(size, model, {.train = &train}, measure);
    for (const auto& scores : found) EXPECT_EQ(scores, found[0]) << "all ranks cut the same";
    ASSERT_EQ(found[0].size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(found[0][i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << size << " ranks, unit " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Importances, SharedImportance,
                         testing::Values(prune::Importance::taylor, prune::Importance::hessian, prune::Importance::activation));

TEST(SharedMoments, AreThoseOfOneProcess) {
  const Model model = test::tiny_mlp();
  test::MemoryDataset train = test::synthetic_classes(kExamples);
  std::vector<Node*> layers;
  for (Node* node : model.graph.nodes()) {
    if (node->op() == "aten.linear") layers.push_back(node);
  }
  ASSERT_GT(layers.size(), 1U);
  using Moments = std::map<std::string, quantize::InputMoments>;
  const std::function<Moments(PassContext&)> measure = [&](PassContext& context) {
    quantize::SampleWalk walk(model, uncut(model.graph), {.samples = kExamples, .batch = kBatch}, context);
    return quantize::find_input_moments(model, layers, walk, quantize::Advance::no);
  };
  test::FakeContext alone(model, {.train = &train});
  const auto expected = measure(alone);
  ASSERT_EQ(expected.size(), layers.size());
  for (const std::int64_t size : {2, 5}) {  // the fifth has no batch at all
    for (const auto& found : on_ranks(size, model, {.train = &train}, measure)) {
      ASSERT_EQ(found.size(), expected.size());
      for (const auto& [name, moments] : expected) {
        EXPECT_EQ(found.at(name).rows, moments.rows) << size << " ranks";
        EXPECT_TRUE(at::equal(found.at(name).largest, moments.largest));
        for (const auto of : {&quantize::InputMoments::gram, &quantize::InputMoments::mean, &quantize::InputMoments::magnitude})
          EXPECT_TRUE(at::allclose(found.at(name).*of, moments.*of, 1e-12, 1e-12)) << name << ", " << size << " ranks";
      }
    }
  }
}

}  // namespace
}  // namespace dsc
