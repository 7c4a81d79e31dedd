#include "ops/cost.h"
#include "passes/restructure/run_restructure.h"

namespace dsc {

PassInfo make_restructure_low_rank();

namespace {

using namespace test;

Rewritten low_rank(const std::string& options, const Model& model) { return rewrite(make_restructure_low_rank(), options, model); }

TEST(LowRank, IsExactAtFullRank) {
  for (const Model& model : {tiny_mlp(), tiny_residual_cnn(), fixture_model("encoder")}) {
    const auto made = low_rank("rank: 1", model);
    EXPECT_GT(made.model.graph.node_count(), model.graph.node_count());
    expect_equal_outputs(made.model, model, 1e-5);
  }
}

TEST(LowRank, KeepsTheSmallestRankThatHoldsTheEnergy) {
  Model model = tiny_mlp(1, {.inputs = 32, .hidden = 64});
  // fc2 gets four directions of squared strength 16, 9, 4, 1 and some dust.
  at::Tensor basis = std::get<0>(at::linalg_qr(noise({64, 64}, 9)));
  at::Tensor strengths = at::full({64}, 1e-3);
  for (int i = 0; i < 4; ++i) strengths[i] = 4 - i;
  model.weights.set("fc2.weight", basis.matmul(strengths.unsqueeze(1) * basis.flip(1).t()).contiguous());
  const auto ranks = [&](const std::string& energy) { return low_rank("energy: " + energy + ", only: [fc2]", model).model.weights.get("fc2.0.weight").size(0); };
  EXPECT_EQ(ranks("0.5"), 1);    // 16 of 30
  EXPECT_EQ(ranks("0.8"), 2);    // 25
  EXPECT_EQ(ranks("0.95"), 3);   // 29
  EXPECT_EQ(ranks("0.9999"), 4);
}

TEST(LowRank, ErrorIsThatOfTheDroppedSingularValues) {
  Model model = tiny_mlp(1, {.inputs = 8, .hidden = 32});
  const auto made = low_rank("rank: 0.25, only: [fc2]", model);
  at::Tensor product = made.model.weights.get("fc2.1.weight").matmul(made.model.weights.get("fc2.0.weight"));
  at::Tensor values = std::get<1>(at::linalg_svd(model.weights.get("fc2.weight").to(at::kDouble)));
  const double expected = values.slice(0, 8).square().sum().item<double>();
  EXPECT_NEAR((product - model.weights.get("fc2.weight")).to(at::kDouble).square().sum().item<double>(), expected, 1e-4 * expected);
}

TEST(LowRank, MeetsATargetOfMultiplyAccumulates) {
  Model model = tiny_residual_cnn(1, {.width = 32});
  const auto made = low_rank("macs: 0.5", model);
  EXPECT_LE(model_cost(made.model).macs, 0.5 * model_cost(model).macs);
  EXPECT_GE(model_cost(made.model).macs, 0.45 * model_cost(model).macs);
  EXPECT_THROW(low_rank("macs: 0.99", model), Error);
}

TEST(LowRank, LeavesAloneWhatWouldNotGetCheaper) {
  const auto made = low_rank("energy: 0.5", tiny_mlp(1, {.inputs = 8, .hidden = 64}));
  EXPECT_TRUE(made.model.weights.has("fc2.0.weight"));
  EXPECT_THROW(low_rank("energy: 1", tiny_mlp()), Error);
  EXPECT_FALSE(low_rank("energy: 1, allow_empty: true", tiny_mlp()).result.changed);
}

TEST(LowRank, SaysWhatMatchesNothing) {
  EXPECT_EQ(problems_of(make_restructure_low_rank(), "rank: 0.5, only: [fc9, fc1], skip: [conv*]", tiny_mlp()).size(), 2U);
  EXPECT_THROW(low_rank("rank: 0.5, energy: 0.9", tiny_mlp()), Error);
}

}  // namespace
}  // namespace dsc
