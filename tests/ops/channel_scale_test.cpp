#include "ops/channel_scale.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "ir/verify.h"
#include "ops/fold_batchnorm.h"
#include "ops/text_model.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// Identity: whatever the factors, outputs stay.
void expect_equivalent(Model& model, const std::vector<at::Tensor>& inputs, std::size_t paths, bool shared_norms = false) {
  const auto found = shared_norms ? find_shared_norms(model.graph) : find_scale_paths(model.graph);
  ASSERT_EQ(found.size(), paths);
  const at::Tensor before = Executor(model, {}).run(inputs).at(0);
  for (const ScalePath& path : found) move_scale(model, path, at::rand({path.channels}, at::kDouble) * 3 + 0.2);
  const at::Tensor after = Executor(model, {}).run(inputs).at(0);
  EXPECT_TRUE(at::allclose(after, before, 1e-4, 1e-4)) << (after - before).abs().max();
}

TEST(ChannelScale, GoesThroughReluBetweenLayers) {
  Model model = test::tiny_mlp();
  expect_equivalent(model, {test::noise({5, 8}, 1)}, 2);
}

TEST(ChannelScale, LeavesShortcutsOfResidualBlocksAlone) {
  Model model = test::tiny_residual_cnn();
  fold_batch_norms(model);
  expect_equivalent(model, {test::noise({2, 3, 8, 8}, 1)}, 2);  // conv1 -> conv2 of both blocks
}

TEST(ChannelScale, MovesOutOfNormsProductsAndDepthwiseConvolutions) {
  Model norm = test::text_model(R"text(
  param %g "g": f32[8]
  param %gb "gb": f32[8]
  param %a "a": f32[6, 8]
  param %b "b": f32[6, 8]
  param %c "c": f32[4, 6]
  input %x: f32[s0{2}, 8]
  %n: f32[] = aten.layer_norm.default(input=%x, normalized_shape=[8], weight=%g, bias=%gb)
  %up: f32[] = aten.linear.default(input=%n, weight=%a)
  %gate: f32[] = aten.linear.default(input=%n, weight=%b)
  %act: f32[] = aten.silu.default(self=%gate)
  %mul: f32[] = aten.mul.Tensor(self=%act, other=%up)
  %down: f32[] = aten.linear.default(input=%mul, weight=%c)
  output %down
)text");
  expect_equivalent(norm, {test::noise({3, 8}, 1)}, 2);
  Model depthwise = test::text_model(R"text(
  param %a "a": f32[6, 3, 1, 1]
  param %d "d": f32[6, 1, 3, 3]
  param %e "e": f32[4, 6, 1, 1]
  input %x: f32[s0{2}, 3, 5, 5]
  %c1: f32[] = aten.conv2d.default(input=%x, weight=%a)
  %r1: f32[] = aten.relu.default(self=%c1)
  %c2: f32[] = aten.conv2d.default(input=%r1, weight=%d, bias=None, stride=[1, 1], padding=[0, 0], dilation=[1, 1], groups=6)
  %r2: f32[] = aten.relu.default(self=%c2)
  %c3: f32[] = aten.conv2d.default(input=%r2, weight=%e)
  output %c3
)text");
  expect_equivalent(depthwise, {test::noise({2, 3, 5, 5}, 1)}, 2);
}

TEST(ChannelScale, DividesWhatLayersReadOfANormThatAResidualAddReadsToo) {
  Model model = test::text_model(R"text(
  param %g "g": f32[8]
  param %gb "gb": f32[8]
  param %a "a": f32[6, 8]
  param %b "b": f32[8, 8]
  input %x: f32[s0{2}, 8]
  %n: f32[] = aten.layer_norm.default(input=%x, normalized_shape=[8], weight=%g, bias=%gb)
  %up: f32[] = aten.linear.default(input=%n, weight=%a)
  %side: f32[] = aten.linear.default(input=%n, weight=%b)
  %sum: f32[] = aten.add.Tensor(self=%side, other=%n)
  %last: f32[] = aten.linear.default(input=%sum, weight=%a)
  %both: f32[] = aten.add.Tensor(self=%up, other=%last)
  output %both
)text");
  EXPECT_TRUE(find_shared_norms(model.graph).empty()) << "a weight is shared";
  Model own = test::text_model(R"text(
  param %g "g": f32[8]
  param %gb "gb": f32[8]
  param %a "a": f32[8, 8]
  param %b "b": f32[8, 8]
  input %x: f32[s0{2}, 8]
  %n: f32[] = aten.layer_norm.default(input=%x, normalized_shape=[8], weight=%g, bias=%gb)
  %up: f32[] = aten.linear.default(input=%n, weight=%a)
  %side: f32[] = aten.linear.default(input=%n, weight=%b)
  %sum: f32[] = aten.add.Tensor(self=%side, other=%n)
  %both: f32[] = aten.add.Tensor(self=%up, other=%sum)
  output %both
)text");
  expect_equivalent(own, {test::noise({3, 8}, 1)}, 1, true);
  EXPECT_TRUE(verify(own).empty());
}

TEST(ChannelScale, StopsAtActivationsThatAreNotHomogeneousAndSharedWeights) {
  Model model = test::text_model(R"text(
  param %a "a": f32[8, 8]
  param %b "b": f32[8, 8]
  input %x: f32[s0{2}, 8]
  %l1: f32[] = aten.linear.default(input=%x, weight=%a)
  %act: f32[] = aten.gelu.default(self=%l1)
  %l2: f32[] = aten.linear.default(input=%act, weight=%b)
  %l3: f32[] = aten.linear.default(input=%l2, weight=%b)
  output %l3
)text");
  EXPECT_TRUE(find_scale_paths(model.graph).empty());
}

// --- mixtures of experts ---

// A norm that a router, a shared layer and experts read, each by another way.
Model normed_experts() {
  Model model = test::text_model(R"text(
  param %g "norm.weight": f32[8]
  param %r "gate.weight": f32[4, 8]
  param %shared "shared.weight": f32[8, 8]
  param %w1 "experts.gate_up_proj": f32[4, 12, 8]
  param %w2 "experts.down_proj": f32[4, 8, 6]
  input %x: f32[s0{2}, 3, 8]
  %n: f32[] = aten.rms_norm.default(input=%x, normalized_shape=[8], weight=%g)
  %flat: f32[] = aten.view.default(self=%n, size=[-1, 8])
  %logits: f32[] = aten.linear.default(input=%flat, weight=%r)
  %p: f32[] = aten.softmax.int(self=%logits, dim=-1)
  %v: f32[], %i: i64[] = aten.topk.default(self=%p, k=2)
  %ids: i64[] = aten.reshape.default(self=%i, shape=[-1])
  %shares: f32[] = aten.reshape.default(self=%v, shape=[-1])
  %rows: f32[] = aten.repeat_interleave.self_int(self=%flat, repeats=2, dim=0)
  %g1: f32[] = aten.index.Tensor(self=%w1, indices=[%ids])
  %u1: f32[] = aten.unsqueeze.default(self=%rows, dim=-1)
  %b1: f32[] = aten.bmm.default(self=%g1, mat2=%u1)
  %h: f32[] = aten.squeeze.dim(self=%b1, dim=-1)
  [%gate: f32[], %up: f32[]] = aten.chunk.default(self=%h, chunks=2, dim=-1)
  %s: f32[] = aten.silu.default(self=%gate)
  %m: f32[] = aten.mul.Tensor(self=%s, other=%up)
  %g2: f32[] = aten.index.Tensor(self=%w2, indices=[%ids])
  %u2: f32[] = aten.unsqueeze.default(self=%m, dim=-1)
  %b2: f32[] = aten.bmm.default(self=%g2, mat2=%u2)
  %o: f32[] = aten.squeeze.dim(self=%b2, dim=-1)
  %column: f32[] = aten.unsqueeze.default(self=%shares, dim=-1)
  %weighted: f32[] = aten.mul.Tensor(self=%o, other=%column)
  %each: f32[] = aten.view.default(self=%weighted, size=[-1, 2, 8])
  %y: f32[] = aten.sum.dim_IntList(self=%each, dim=[1])
  %back: f32[] = aten.view.default(self=%y, size=[-1, 3, 8])
  %other: f32[] = aten.linear.default(input=%n, weight=%shared)
  %all: f32[] = aten.add.Tensor(self=%back, other=%other)
  output %all
)text");
  model.weights.set("norm.weight", at::rand({8}) + 0.5);
  return model;
}

TEST(ChannelScale, OfANormGoToRouterSharedLayerAndExperts) {
  Model model = normed_experts();
  const auto paths = find_scale_paths(model.graph);
  ASSERT_EQ(paths.size(), 1U);
  EXPECT_EQ(paths[0].layers.size(), 3U);
  expect_equivalent(model, {test::noise({2, 3, 8}, 1)}, 1);
}

TEST(ChannelScale, InsideOfExpertsAreEachOnesOwn) {
  Model model = normed_experts();
  const at::Tensor x = test::noise({5, 3, 8}, 1);
  const auto paths = find_expert_paths(model.graph);
  ASSERT_EQ(paths.size(), 1U);
  EXPECT_EQ(paths[0].experts, 4);
  EXPECT_EQ(paths[0].channels, 6);
  const at::Tensor before = Executor(model, {}).run({x}).at(0), gates = model.weights.get("experts.gate_up_proj").narrow(1, 0, 6).clone();
  move_scale(model, paths[0], at::rand({4, 6}, at::kDouble) * 3 + 0.2);
  EXPECT_TRUE(model.weights.get("experts.gate_up_proj").narrow(1, 0, 6).equal(gates));
  const at::Tensor after = Executor(model, {}).run({x}).at(0);
  EXPECT_TRUE(at::allclose(after, before, 1e-4, 1e-4)) << (after - before).abs().max();
}

TEST(ChannelScale, StaysOutsideOfExpertsThatOthersRead) {
  Model model = normed_experts();
  Value* up = model.graph.find_value("up");
  Node* other = model.graph.insert(up->uses().front().node, "aten.relu.default", {{"self", up}}, {{"seen", up->type()}});
  model.graph.add_output(OutputKind::user, other->output());
  EXPECT_TRUE(find_expert_paths(model.graph).empty());
}

}  // namespace
}  // namespace dsc
