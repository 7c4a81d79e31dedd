// Whole experts and their width, as the pass cuts them.
#include <gtest/gtest.h>

#include "ir/verify.h"
#include "ops/cost.h"
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

}  // namespace
}  // namespace dsc
