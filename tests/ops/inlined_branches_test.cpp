// Branches of control flow in the graph and back, and cuts that go through them.
#include "ir/inlined_branches.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ir/control_flow.h"
#include "ir/verify.h"
#include "ops/cut_check.h"
#include "ops/text_model.h"
#include "ops/two_ways.h"

namespace dsc {
namespace {

// A choice inside a choice, of two outputs, one of which is an operand as it is.
Model nested() {
  return test::text_model(R"text(
  param %wa "wa": f32[6, 4]
  param %wb "wb": f32[6, 4]
  input %x: f32[s0{2}, 4]
  %total: f32[] = aten.sum.default(self=%x)
  %p: bool[] = aten.gt.Scalar(self=%total, other=0)
  %y: f32[s0{2}, 6], %z: f32[s0{2}, 4] = higher_order.cond(%p, yes="graph {\n  input %x: f32[s0{2}, 4]\n  input %wa: f32[6, 4]\n  input %wb: f32[6, 4]\n  %m: f32[] = aten.max.default(self=%x)\n  %q: bool[] = aten.gt.Scalar(self=%m, other=0.5)\n  %v: f32[s0{2}, 6] = higher_order.cond(%q, inner_yes=\"graph {\\n  input %x: f32[s0{2}, 4]\\n  input %w: f32[6, 4]\\n  %l: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%w)\\n  output %l\\n}\", inner_no=\"graph {\\n  input %x: f32[s0{2}, 4]\\n  input %w: f32[6, 4]\\n  %l: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%w)\\n  %n: f32[s0{2}, 6] = aten.neg.default(self=%l)\\n  output %n\\n}\", tensors[%x, %wa])\n  output %v\n  output %x\n}", no="graph {\n  input %x: f32[s0{2}, 4]\n  input %wa: f32[6, 4]\n  input %wb: f32[6, 4]\n  %l: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%wb)\n  %h: f32[s0{2}, 4] = aten.mul.Tensor(self=%x, other=0.5)\n  output %l\n  output %h\n}", tensors[%x, %wa, %wb])
  output %y
  output %z
)text");
}

// For inputs that choose each way.
std::vector<std::vector<at::Tensor>> both_ways() {
  const at::Tensor x = at::arange(12, at::kFloat).view({3, 4}) / 12;
  return {{x}, {-x}, {x - 0.4}, {x * 0.1}};
}

void expect_equal_results(const Model& a, const Model& b) {
  for (const auto& inputs : both_ways()) {
    const auto ours = test::run_model(a, inputs), theirs = test::run_model(b, inputs);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_TRUE(ours[i].equal(theirs[i])) << i;
  }
}

std::int64_t count(const Graph& graph, const char* target) {
  return std::ranges::count_if(graph.nodes(), [&](const Node* node) { return node->is(target); });
}

TEST(InlinedBranches, ComputeTheSameThereAndBack) {
  for (const Model& model : {test::two_ways(), nested()}) {
    const Model open = with_inlined_branches(model);
    EXPECT_EQ(count(open.graph, "higher_order.cond"), 0);
    for (const Problem& problem : verify(open)) ADD_FAILURE() << problem.message;
    expect_equal_results(open, model);

    Model closed = open.clone();
    outline_branches(closed.graph);
    for (const Problem& problem : verify(closed)) ADD_FAILURE() << problem.message;
    EXPECT_EQ(count(closed.graph, "higher_order.cond"), 1);
    EXPECT_EQ(count(closed.graph, "aten.where.self"), 0);
    EXPECT_EQ(closed.graph.node_count(), model.graph.node_count()) << "what was in branches is in branches";
    expect_equal_results(closed, model);
    for (std::size_t i = 0; i < model.graph.outputs().size(); ++i) {
      EXPECT_EQ(std::get<Value*>(closed.graph.outputs()[i].value)->name(), std::get<Value*>(model.graph.outputs()[i].value)->name());
    }
  }
}

TEST(InlinedBranches, ChannelsThatBothMakeAndReadAreCut) {
  const Model model = test::two_ways(), open = with_inlined_branches(model);
  const ChannelGroups groups(open);
  ASSERT_EQ(groups.groups().size(), 2U) << test::describe(groups);
  EXPECT_EQ(groups.groups()[0].units.size() + groups.groups()[1].units.size(), 22U);
  test::expect_cut_equals_zeroed(open, 0.4, 3);

  Model small = open.clone(), zeroed = model.clone();
  const Removal removed = test::random_removal(groups, 0.4, 3);
  const ChannelGroups of_small(small);
  Model open_zeroed = open.clone();
  zero_out(open_zeroed, ChannelGroups(open_zeroed), removed);
  cut(small, of_small, removed);
  outline_branches(small.graph);
  for (const Problem& problem : verify(small)) ADD_FAILURE() << problem.message;
  zeroed.weights = open_zeroed.weights;
  EXPECT_EQ(count(small.graph, "higher_order.cond"), 1);
  EXPECT_EQ(small.weights.get("wa").size(0), 6);
  EXPECT_EQ(small.weights.get("wb").size(1), 8);
  for (const auto& inputs : both_ways()) EXPECT_LE(test::relative_error(test::run_model(small, inputs), test::run_model(zeroed, inputs)), 1e-6);
  EXPECT_DOUBLE_EQ(model_cost(model).macs, 4 * 12 + 2 * 12 * 10 + 10 * 3) << "both branches";
}

}  // namespace
}  // namespace dsc
