// Whole experts and their width, as the pass cuts them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "ir/verify.h"
#include "ops/cost.h"
#include "ops/expert_loops.h"
#include "ops/tiny_experts.h"
#include "passes/builtin.h"
#include "passes/prune/options.h"
#include "passes/prune/overview.h"
#include "support/fake_context.h"

namespace dsc {
PassInfo make_prune_channels();
namespace {

Model prune_experts(const Model& model, const prune::Options& options) {
  test::FakeContext context(model, {});
  Model copy = model.clone();
  make_prune_channels().run(copy, &options, context);
  EXPECT_TRUE(verify(copy).empty());
  return copy;
}

TEST(PruneExperts, GoWhenTheirKindIsNamedAndStayOtherwise) {
  const Model model = test::tiny_experts();
  prune::Options options;
  options.reduce.channels = 0.25;
  const Model narrower = prune_experts(model, options);
  EXPECT_EQ(narrower.weights.get("mlp.gate.weight").size(0), 8);
  EXPECT_EQ(narrower.weights.get("mlp.experts.down_proj").sizes(), (at::IntArrayRef{8, 8, 4}));
  EXPECT_EQ(narrower.weights.get("mlp.experts.gate_up_proj").sizes(), (at::IntArrayRef{8, 8, 8}));
  options.kinds = {prune::Kind::experts};
  options.limits.round_to = 8;  // of channels, not of experts
  const Model fewer = prune_experts(model, options);
  EXPECT_EQ(fewer.weights.get("mlp.gate.weight").size(0), 6);
  EXPECT_EQ(fewer.weights.get("mlp.gate.mask").size(0), 6);
  EXPECT_EQ(fewer.weights.get("mlp.experts.down_proj").sizes(), (at::IntArrayRef{6, 8, 6}));
  EXPECT_DOUBLE_EQ(model_cost(fewer).macs, model_cost(model).macs - 2 * 8);  // as many are chosen: the router alone costs less
}

TEST(PruneExperts, KeepAsManyAsAreChosen) {
  const Model model = test::tiny_experts();
  prune::Options options;
  options.reduce.channels = 0.9;
  options.kinds = {prune::Kind::experts};
  EXPECT_EQ(prune_experts(model, options).weights.get("mlp.gate.weight").size(0), 2);
}

TEST(PruneExperts, TheLeastExpertsGo) {
  Model model = test::tiny_experts();
  for (const char* name : {"mlp.gate.weight", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"}) {
    at::Tensor weight = model.weights.get(name).clone();
    weight[2] *= 0.01;
    weight[7] *= 0.01;
    model.weights.set(name, weight);
  }
  prune::Options options;
  options.reduce.channels = 0.25;
  options.kinds = {prune::Kind::experts};
  const at::Tensor kept = prune_experts(model, options).weights.get("mlp.experts.down_proj");
  EXPECT_TRUE(kept.equal(model.weights.get("mlp.experts.down_proj").index_select(0, at::tensor({0, 1, 3, 4, 5, 6}))));
}

TEST(PruneExperts, GroupsShowWhatTheirStacksCost) {
  const Model model = test::tiny_experts();
  const ChannelGroups groups(model);
  bool found = false;
  for (const prune::GroupOverview& row : prune::overview_of(model, groups)) {
    if (row.kind != prune::Kind::channels) continue;
    found = true;
    EXPECT_DOUBLE_EQ(row.macs, 2.0 * 12 * 8);  // gates and ups of the chosen
    EXPECT_DOUBLE_EQ(row.parameters, 8.0 * 12 * 8);
  }
  EXPECT_TRUE(found);
}

// --- where data goes ---

// By expert in plain loops: how many rows it gets, and |share * output| of them.
struct RowUse {
  std::vector<double> rows = std::vector<double>(8, 0), norms = rows;
};

std::vector<test::Row> matrix_of(const at::Tensor& matrix) {
  std::vector<test::Row> rows;
  for (std::int64_t r = 0; r < matrix.size(0); ++r) rows.push_back(test::row_of(matrix[r]));
  return rows;
}

RowUse use_of(const Model& model, const at::Tensor& x) {
  const auto router = matrix_of(model.weights.get("mlp.gate.weight"));
  RowUse use;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    const test::Row row = test::row_of(x[t]);
    for (const auto& [expert, share] : test::route(router, row)) {
      const auto e = static_cast<std::int64_t>(expert);
      const test::Row both = test::times(matrix_of(model.weights.get("mlp.experts.gate_up_proj")[e]), row);
      test::Row hidden;
      for (std::size_t i = 0; i < 6; ++i) hidden.push_back(both[i] / (1 + std::exp(-both[i])) * both[i + 6]);
      double squares = 0;
      for (const double y : test::times(matrix_of(model.weights.get("mlp.experts.down_proj")[e]), hidden)) squares += y * y;
      use.rows[expert] += 1;
      use.norms[expert] += share * std::sqrt(squares);
    }
  }
  return use;
}

// The six largest, in order.
at::Tensor largest_six(const std::vector<double>& scores) {
  std::vector<std::int64_t> order{0, 1, 2, 3, 4, 5, 6, 7};
  std::ranges::sort(order, [&](std::int64_t a, std::int64_t b) { return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)]; });
  order.resize(6);
  std::ranges::sort(order);
  return at::tensor(order);
}

TEST(PruneExperts, ThoseThatRowsAreSeldomSentToGoOrThoseThatAddLittle) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Model model = test::tiny_experts(test::kSoftmaxRouter, test::kOutputsFirst, seed);
    const at::Tensor x = example_inputs(model, 40, 5).at(0);
    test::MemoryDataset data(x, {});
    const RowUse use = use_of(model, x);
    std::vector<double> means;
    for (std::size_t e = 0; e < 8; ++e) means.push_back(use.rows[e] > 0 ? use.norms[e] / use.rows[e] : 0);
    ChannelGroups groups(model);
    const auto& group = *std::ranges::find_if(groups.groups(), &ChannelGroup::is_chosen);
    for (const auto& [importance, wanted] : {std::pair{prune::Importance::routing, use.rows}, std::pair{prune::Importance::reap, means}}) {
      test::FakeContext context(model, {.train = &data});
      const auto scores =
          prune::unit_scores(model, groups, {.importance = importance, .normalize = prune::Normalize::none, .batches = 3, .batch = 16}, context, 1);
      for (std::size_t e = 0; e < 8; ++e) {
        const double expected = importance == prune::Importance::routing ? wanted[e] / 80 : wanted[e];
        EXPECT_NEAR(scores[static_cast<std::size_t>(group.units[e])], expected, 1e-5 * (1 + expected)) << seed << " " << e;
      }
      prune::Options options;
      options.reduce.channels = 0.25;
      options.kinds = {prune::Kind::experts};
      options.importance.importance = importance;
      Model copy = model.clone();
      make_prune_channels().run(copy, &options, context);
      const at::Tensor kept = model.weights.get("mlp.gate.weight").index_select(0, largest_six(wanted));
      if (importance != prune::Importance::reap) continue;  // counts may be equal
      EXPECT_TRUE(copy.weights.get("mlp.gate.weight").equal(kept)) << seed;
    }
  }
}

TEST(PruneExperts, OfEitherOrientationAndRouterAreMeasured) {
  for (const auto& [router, experts] : {std::pair{test::kGroupRouter, test::kOutputsFirst}, std::pair{test::kSoftmaxRouter, test::kInputsFirst}}) {
    const Model model = test::tiny_experts(router, experts);
    test::MemoryDataset data(example_inputs(model, 40, 5).at(0), {});
    ChannelGroups groups(model);
    test::FakeContext context(model, {.train = &data});
    const auto scores = prune::unit_scores(model, groups, {.importance = prune::Importance::reap, .normalize = prune::Normalize::none}, context, 1);
    EXPECT_GT(std::ranges::max(scores), 0);
  }
}

}  // namespace
}  // namespace dsc
