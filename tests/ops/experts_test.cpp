// Mixtures of experts: products with matrices looked up in a stack are layers, and experts go whole.
#include "ops/experts.h"

#include <gtest/gtest.h>

#include <limits>

#include "ops/arguments.h"
#include "ops/cut_check.h"
#include "ops/quantization.h"
#include "ops/tiny_experts.h"

namespace dsc {
namespace {

using test::tiny_experts;

std::vector<std::string> expert_weights(const Model& model) {
  std::vector<std::string> names;
  for (Node* node : model.graph.nodes()) {
    const auto layer = find_quant_layer(model.graph, node);
    if (layer && layer->kind == QuantKind::experts) names.push_back(model.graph.find_input(value_of(*layer->weight()))->target);
  }
  return names;
}

TEST(Experts, ProductsWithLookedUpMatricesAreLayersOfTheirStack) {
  for (const std::string& form : {test::kOutputsFirst, test::kInputsFirst}) {
    EXPECT_EQ(expert_weights(tiny_experts(test::kSoftmaxRouter, form)), (std::vector<std::string>{"mlp.experts.gate_up_proj", "mlp.experts.down_proj"}));
  }
}

TEST(Experts, StacksAreTurnedOutputsFirstWithoutChangingTheModel) {
  const Model model = tiny_experts(test::kSoftmaxRouter, test::kInputsFirst);
  Model turned = model.clone();
  turn_experts_outputs_first(turned);
  EXPECT_TRUE(verify(turned).empty());
  EXPECT_EQ(turned.weights.get("mlp.experts.gate_up_proj").sizes(), (at::IntArrayRef{8, 12, 8}));
  EXPECT_EQ(turned.weights.get("mlp.experts.down_proj").sizes(), (at::IntArrayRef{8, 8, 6}));
  EXPECT_EQ(expert_weights(turned).size(), 2U);
  const auto inputs = example_inputs(model, 5, 3);
  EXPECT_LE(test::relative_error(test::run_model(turned, inputs), test::run_model(model, inputs)), 1e-6);
}

TEST(Experts, CostsCountTheChosenOnes) {
  const double routed = test::kChosen * (2.0 * test::kExpertWidth * test::kExpertInputs + test::kExpertWidth * test::kExpertInputs);
  EXPECT_DOUBLE_EQ(model_cost(tiny_experts()).macs, test::kExperts * test::kExpertInputs + routed);
}

const ChannelGroup* find_experts(const ChannelGroups& groups, std::size_t units) {
  for (const ChannelGroup& group : groups.groups()) {
    if (group.is_chosen && group.units.size() == units) return &group;
  }
  return nullptr;
}

// Removes units of the group of experts and compares with the router never choosing them.
void expect_cut_equals_masked(const Model& model, std::size_t units, const std::vector<std::size_t>& which, const std::vector<std::int64_t>& experts) {
  Model small = model.clone(), masked = model.clone();
  const ChannelGroups groups(small);
  const ChannelGroup* group = find_experts(groups, units);
  ASSERT_TRUE(group) << test::describe(groups);
  Removal removed = groups.nothing();
  for (const std::size_t unit : which) removed[static_cast<std::size_t>(group->units[unit])] = 1;
  cut(small, groups, removed);
  EXPECT_TRUE(verify(small).empty());
  EXPECT_EQ(small.weights.get("mlp.gate.weight").size(0), test::kExperts - static_cast<std::int64_t>(experts.size()));
  EXPECT_EQ(small.weights.get("mlp.experts.down_proj").size(0), test::kExperts - static_cast<std::int64_t>(experts.size()));
  for (const std::int64_t expert : experts) masked.weights.get("mlp.gate.mask")[expert].fill_(-std::numeric_limits<float>::infinity());
  const auto inputs = example_inputs(model, 7, 3);
  EXPECT_LE(test::relative_error(test::run_model(small, inputs), test::run_model(masked, inputs)), 2e-6);
}

TEST(Experts, GoWithTheirRowsOfTheRouterAsIfNeverChosen) {
  for (const std::string& form : {test::kOutputsFirst, test::kInputsFirst}) {
    expect_cut_equals_masked(tiny_experts(test::kSoftmaxRouter, form), 8, {1, 6}, {1, 6});
  }
}

TEST(Experts, OfAGroupLimitedChoiceGoByGroupsOrByPositionsInThem) {
  const Model model = tiny_experts(test::kGroupRouter);
  expect_cut_equals_masked(model, 4, {2}, {4, 5});
  expect_cut_equals_masked(model, 2, {0}, {0, 2, 4, 6});
}

TEST(Experts, AtLeastAsManyStayAsAreChosen) {
  const ChannelGroups groups(tiny_experts());
  EXPECT_EQ(find_experts(groups, 8)->least, test::kChosen);
  Removal removed = groups.nothing();
  for (std::size_t i = 0; i < 7; ++i) removed[static_cast<std::size_t>(find_experts(groups, 8)->units[i])] = 1;
  Model model = tiny_experts();
  EXPECT_THROW(cut(model, ChannelGroups(model), removed), Error);
}

TEST(Experts, StayWhereTheirNumbersAreComputedWith) {
  std::string router = test::kSoftmaxRouter;
  router.replace(router.find("%i: i64"), 2, "%j");
  router += "  %i: i64[] = aten.add.Tensor(self=%j, other=0) @mlp.gate\n";
  EXPECT_FALSE(find_experts(ChannelGroups(tiny_experts(router)), 8));
}

TEST(Experts, LoseWidthAsIfZeroed) {
  for (const std::string& form : {test::kOutputsFirst, test::kInputsFirst}) {
    for (const std::string& router : {test::kSoftmaxRouter, test::kGroupRouter}) {
      test::expect_cut_equals_zeroed(tiny_experts(router, form), 0.4, 5, 2e-6);
    }
  }
}

}  // namespace
}  // namespace dsc
