#include "ops/evaluation_form.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "exec/fixture.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

Model model_from(const std::string& text) {
  std::uint64_t seed = 1;
  return test::model_of(text, [&](const std::string& name, at::IntArrayRef sizes) {
    if (name.ends_with("num_batches_tracked")) return at::zeros(sizes, at::kLong);
    const at::Tensor values = test::noise(sizes.vec(), ++seed);
    return name.ends_with("running_var") ? values.abs() + 0.5 : values;
  });
}

std::string text_of(const Model& model) { return print_graph(model.graph, {.metadata = false}); }

// batch_norm(x) in evaluation, by its formula.
at::Tensor normalised(const Model& model, const at::Tensor& x) {
  const auto& w = model.weights;
  return (x - w.get("bn.running_mean")) / (w.get("bn.running_var") + 1e-5).sqrt() * w.get("bn.weight") + w.get("bn.bias");
}

constexpr const char* kTensors = R"text(
  param %g "bn.weight": f32[3] grad
  param %b "bn.bias": f32[3] grad
  buffer %m "bn.running_mean": f32[3]
  buffer %v "bn.running_var": f32[3]
  buffer %n "bn.num_batches_tracked": i64[]
  input %x: f32[s0{4}, 3])text";

// As torch.export writes a network whose eval() was forgotten.
const std::string kWhole = std::string("graph {") + kTensors + R"text(
  %count: i64[] = aten.add_.Tensor(self=%n, other=1)
  %y: f32[s0{4}, 3] = aten.batch_norm.default(input=%x, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  %empty: f32[s0{4}, 1] = aten.new_empty.default(self=%y, size=[4, 1])
  %mask: f32[s0{4}, 1] = aten.bernoulli_.float(self=%empty, p=0.8)
  %scaled: f32[s0{4}, 1] = aten.div_.Tensor(self=%mask, other=0.8)
  %deep: f32[s0{4}, 3] = aten.mul.Tensor(self=%y, other=%scaled)
  %z: f32[s0{4}, 3] = aten.dropout.default(input=%deep, p=0.5, train=true)
  output %z
})text";

// And after run_decompositions().
const std::string kCore = std::string("graph {") + kTensors + R"text(
  %count: i64[] = aten.add.Tensor(self=%n, other=1)
  %y: f32[s0{4}, 3], %mean: f32[3], %std: f32[3], %m1: f32[3], %v1: f32[3] = aten._native_batch_norm_legit_functional.default(input=%x, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=true, momentum=0.1, eps=1e-05)
  %empty: f32[s0{4}, 1] = aten.empty.memory_format(size=[4, 1])
  %mask: f32[s0{4}, 1] = aten.bernoulli.p(self=%empty, p=0.8)
  %scaled: f32[s0{4}, 1] = aten.div.Scalar(self=%mask, other=0.8)
  %deep: f32[s0{4}, 3] = aten.mul.Tensor(self=%y, other=%scaled)
  %z: f32[s0{4}, 3], %dropped: bool[s0{4}, 3] = aten.native_dropout.default(input=%deep, p=0.5, train=true)
  output %z
  mutate_buffer "bn.running_mean" = %m1
  mutate_buffer "bn.running_var" = %v1
  mutate_buffer "bn.num_batches_tracked" = %count
})text";

TEST(EvaluationForm, PutsWholeAndDecomposedNetworksIntoTheSameForm) {
  for (const auto& text : {kWhole, kCore}) {
    Model model = model_from(text);
    const auto form = put_into_evaluation_form(model);
    EXPECT_EQ(form.norms, 1);
    EXPECT_EQ(form.dropouts, 1);
    EXPECT_EQ(form.masks, 1);
    EXPECT_TRUE(form.random.empty());
    EXPECT_TRUE(verify(model).empty());
    EXPECT_EQ(model.graph.node_count(), 2U) << text_of(model);
    EXPECT_EQ(model.graph.outputs().size(), 1U);
    for (const Node* node : model.graph.nodes()) EXPECT_TRUE(node->is("aten.batch_norm.default") || node->is("aten.dropout.default")) << node->target();
    const at::Tensor x = test::noise({4, 3}, 9);
    EXPECT_TRUE(Executor(model, {}).run({x}).at(0).allclose(normalised(model, x), 1e-5, 1e-6));
    const auto notes = notes_of(form);
    ASSERT_EQ(notes.size(), 1U);
    EXPECT_NE(notes.front().find("1 norm, 1 dropout, 1 random mask"), std::string::npos) << notes.front();
  }
}

// The form is about what the file says; passes that train switch it on again.
TEST(EvaluationForm, TrainsAsBefore) {
  for (const auto& text : {kWhole, kCore}) {
    Model model = model_from(text);
    put_into_evaluation_form(model);
    const at::Tensor x = test::noise({4, 3}, 9), before = model.weights.get("bn.running_mean").clone();
    Executor(model, {.training = true}).run({x});
    EXPECT_TRUE(model.weights.get("bn.running_mean").allclose(0.9 * before + 0.1 * x.mean(0)));
  }
}

TEST(EvaluationForm, LeavesOthersAsTheyAre) {
  // In evaluation already; no running statistics; a mask that something else reads; probabilities that are computed.
  const std::string text = std::string("graph {") + kTensors + R"text(
  %y: f32[s0{4}, 3] = aten.batch_norm.default(input=%x, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=false, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  %z: f32[s0{4}, 3] = aten.batch_norm.default(input=%y, weight=%g, bias=%b, running_mean=None, running_var=None, training=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  %mask: f32[s0{4}, 3] = aten.bernoulli.p(self=%z, p=0.8)
  %masked: f32[s0{4}, 3] = aten.mul.Tensor(self=%z, other=%mask)
  %sampled: f32[s0{4}, 3] = aten.bernoulli.default(self=%z)
  output %masked
  output %mask
  output %sampled
})text";
  Model model = model_from(text);
  const std::string before = text_of(model);
  const auto form = put_into_evaluation_form(model);
  EXPECT_FALSE(form.changed());
  EXPECT_TRUE(notes_of(form).empty());
  EXPECT_EQ(text_of(model), before);
}

// As in torch.nn.functional.batch_norm over tensors that the caller keeps.
TEST(EvaluationForm, NormsInTrainingGoByTheBatchWhereTheirStatisticsAreInputs) {
  Model model = model_from(R"text(graph {
  input %m: f32[3]
  input %v: f32[3]
  input %x: f32[s0{4}, 3]
  %y: f32[s0{4}, 3] = aten.batch_norm.default(input=%x, weight=None, bias=None, running_mean=%m, running_var=%v, training=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  output %y
})text");
  EXPECT_FALSE(put_into_evaluation_form(model).changed());
  const at::Tensor x = test::noise({4, 3}, 7);
  const at::Tensor expected = (x - x.mean(0)) / (x.var(0, /*unbiased=*/false) + 1e-5).sqrt();
  const auto found = Executor(model, {}).run({at::ones({3}), at::ones({3}), x});
  EXPECT_TRUE(at::allclose(found.at(0), expected, 1e-4, 1e-5));
}

TEST(EvaluationForm, SwitchesDropoutInsideOtherOperatorsOff) {
  Model model = test::model_of(R"text(graph {
    buffer %m "m": f32[2]
    buffer %v "v": f32[2]
    input %q: f32[1, 2, 3, 4]
    %a: f32[1, 2, 3, 4] = aten.scaled_dot_product_attention.default(query=%q, key=%q, value=%q, attn_mask=None, dropout_p=0.3)
    %b: f32[1, 2, 3, 4] = aten.instance_norm.default(input=%a, weight=None, bias=None, running_mean=%m, running_var=%v, use_input_stats=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
    %c: f32[1, 2, 3, 4] = aten.feature_dropout.default(input=%b, p=0.5, train=true)
    %d: f32[1, 2, 3, 4] = aten.rrelu.default(self=%c, lower=0.125, upper=0.25, training=true)
    %e: f32[1, 2, 3, 4] = aten.rand_like.default(self=%d)
    %f: f32[1, 2, 3, 4] = aten.mul.Tensor(self=%d, other=%e)
    output %f
    output %d
  })text");
  const auto form = put_into_evaluation_form(model);
  EXPECT_EQ(form.norms, 1);
  EXPECT_EQ(form.dropouts, 3);
  EXPECT_EQ(form.random, std::vector<std::string>{"e"});
  const at::Tensor q = test::noise({1, 2, 3, 4}, 3);
  const at::Tensor a = at::softmax(q.matmul(q.transpose(2, 3)) / 2, -1).matmul(q), b = (a - 1) / std::sqrt(1 + 1e-5);
  const at::Tensor expected = at::where(b < 0, b * (0.125 + 0.25) / 2, b);
  EXPECT_TRUE(Executor(model, {}).run({q}).at(1).allclose(expected, 1e-4, 1e-5));
  EXPECT_NE(notes_of(form).back().find("%e"), std::string::npos);
}

}  // namespace
}  // namespace dsc
