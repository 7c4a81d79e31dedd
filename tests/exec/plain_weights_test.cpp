#include "exec/plain_weights.h"

#include <cmath>

#include "exec/fixture.h"
#include "ir/verify.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::model_of;
using test::noise;

Model model_from(const std::string& text) {
  std::uint64_t seed = 1;
  return model_of(text, [&](const std::string&, at::IntArrayRef sizes) { return noise(sizes.vec(), ++seed); });
}

std::string listed(const std::vector<PlainWeight>& weights) {
  std::string text;
  for (const auto& weight : weights) {
    text += weight.name + " =";
    for (const auto& source : weight.sources) text += " " + source;
    text += "; ";
  }
  return text;
}

// w[o] = g[o] * v[o] / |v[o]|, by plain loops; of the old hook and of the parametrization.
TEST(PlainWeights, FoldWeightNorm) {
  Model model = model_from(R"text(graph {
    param %g "up.weight_g": f32[4, 1, 1] grad
    param %v "up.weight_v": f32[4, 3, 2] grad
    param %g1 "a.parametrizations.weight.original0": f32[5, 1, 1] grad
    param %v1 "a.parametrizations.weight.original1": f32[5, 4, 1] grad
    param %b "a.bias": f32[5] grad
    input %x: f32[s0{2}, 3, 7]
    %w: f32[4, 3, 2] = aten._weight_norm.default(v=%v, g=%g)
    %y: f32[s0{2}, 4, 6] = aten.conv1d.default(input=%x, weight=%w) @up
    %w1: f32[5, 4, 1] = aten._weight_norm.default(v=%v1, g=%g1)
    %z: f32[s0{2}, 5, 6] = aten.conv1d.default(input=%y, weight=%w1, bias=%b) @a
    output %z
  })text");
  const at::Tensor x = noise({2, 3, 7}, 9), v = model.weights.get("up.weight_v"), g = model.weights.get("up.weight_g");
  const auto before = Executor(model, {}).run({x});
  EXPECT_EQ(listed(make_weights_plain(model)), "up.weight = up.weight_g up.weight_v; a.weight = a.parametrizations.weight.original0 a.parametrizations.weight.original1; ");
  EXPECT_TRUE(verify(model).empty());
  EXPECT_EQ(model.weights.names(), (std::vector<std::string>{"a.bias", "up.weight", "a.weight"}));
  for (std::int64_t o = 0; o < 4; ++o) {
    double squares = 0;
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t k = 0; k < 2; ++k) squares += std::pow(v[o][i][k].item<double>(), 2);
    }
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t k = 0; k < 2; ++k) {
        EXPECT_NEAR(model.weights.get("up.weight")[o][i][k].item<double>(), g[o][0][0].item<double>() * v[o][i][k].item<double>() / std::sqrt(squares), 1e-6);
      }
    }
  }
  EXPECT_TRUE(Executor(model, {}).run({x}).at(0).allclose(before.at(0), 1e-5, 1e-6));
  // It trains as any weight does.
  Executor executor(model, {.training = true});
  executor.run({x}).at(0).sum().backward();
  EXPECT_TRUE(executor.weight("up.weight").grad().defined());
}

// w / (u . W v), and the core vocabulary's power iteration, whose updates only the weight saw.
TEST(PlainWeights, FoldSpectralNormWithItsIteration) {
  Model model = model_from(R"text(graph {
    param %w "l.parametrizations.weight.original": f32[4, 3] grad
    buffer %u "l.parametrizations.weight.0._u": f32[4]
    buffer %v "l.parametrizations.weight.0._v": f32[3]
    input %x: f32[s0{2}, 3]
    %wv: f32[4] = aten.mv.default(self=%w, vec=%v)
    %length: f32[1] = aten.linalg_vector_norm.default(self=%wv, ord=2, dim=[0], keepdim=true)
    %u1: f32[4] = aten.div.Tensor(self=%wv, other=%length)
    %sigma: f32[] = aten.vdot.default(self=%u1, other=%wv)
    %plain: f32[4, 3] = aten.div.Tensor(self=%w, other=%sigma)
    %y: f32[s0{2}, 4] = aten.linear.default(input=%x, weight=%plain) @l
    output %y
    mutate_buffer "l.parametrizations.weight.0._u" = %u1
  })text");
  const at::Tensor w = model.weights.get("l.parametrizations.weight.original"), v = model.weights.get("l.parametrizations.weight.0._v");
  make_weights_plain(model);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_EQ(model.weights.names(), std::vector<std::string>{"l.weight"});
  EXPECT_EQ(model.graph.outputs().size(), 1U);
  EXPECT_TRUE(model.weights.get("l.weight").allclose(w / w.mv(v).norm(), 1e-5, 1e-6));
}

// A mask of pruning, an adapter, a standardised weight, one of a recurrent layer: anything that weights alone decide.
TEST(PlainWeights, FoldWhateverParametersAloneDecide) {
  Model model = model_from(R"text(graph {
    param %w "c.weight_orig": f32[4, 3] grad
    buffer %m "c.weight_mask": f32[4, 3]
    param %down "down": f32[2, 4] grad
    param %up "up": f32[4, 2] grad
    param %base "base": f32[4, 4] grad
    param %i "rnn.weight_ih": f32[5, 4] grad
    param %hg "rnn.weight_hh_g": f32[5, 1] grad
    param %hv "rnn.weight_hh_v": f32[5, 5] grad
    input %x: f32[6, 1, 3]
    input %h: f32[1, 1, 5]
    %masked: f32[4, 3] = aten.mul.Tensor(self=%w, other=%m)
    %y: f32[6, 1, 4] = aten.linear.default(input=%x, weight=%masked) @c
    %update: f32[4, 4] = aten.matmul.default(self=%up, other=%down)
    %merged: f32[4, 4] = aten.add.Tensor(self=%base, other=%update, alpha:=2)
    %z: f32[6, 1, 4] = aten.linear.default(input=%y, weight=%merged) @d
    %hh: f32[5, 5] = aten._weight_norm.default(v=%hv, g=%hg)
    %r: f32[6, 1, 5], %last: f32[1, 1, 5] = aten.rnn_tanh.input(input=%z, hx=%h, params=[%i, %hh], has_biases=false, num_layers=1, dropout=0.0, train=false, bidirectional=false, batch_first=false) @rnn
    output %r
  })text");
  const at::Tensor x = noise({6, 1, 3}, 9), h = noise({1, 1, 5}, 10);
  const at::Tensor expected = Executor(model, {}).run({x, h}).at(0);
  EXPECT_EQ(make_weights_plain(model).size(), 3U);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_TRUE(model.weights.has("c.weight"));
  EXPECT_TRUE(model.weights.has("d.weight"));
  EXPECT_TRUE(model.weights.has("rnn.weight_hh"));
  EXPECT_FALSE(model.weights.has("down"));
  EXPECT_TRUE(Executor(model, {}).run({x, h}).at(0).allclose(expected, 1e-5, 1e-6));
}

// A layer that is called twice computes its weight twice, and stays one layer.
TEST(PlainWeights, FoldASharedLayerOnce) {
  Model model = model_from(R"text(graph {
    param %g "l.weight_g": f32[3, 1] grad
    param %v "l.weight_v": f32[3, 3] grad
    input %x: f32[s0{2}, 3]
    %w: f32[3, 3] = aten._weight_norm.default(v=%v, g=%g)
    %y: f32[s0{2}, 3] = aten.linear.default(input=%x, weight=%w) @l
    %w1: f32[3, 3] = aten._weight_norm.default(v=%v, g=%g)
    %z: f32[s0{2}, 3] = aten.linear.default(input=%y, weight=%w1) @l
    output %z
  })text");
  EXPECT_EQ(make_weights_plain(model).size(), 1U);
  EXPECT_EQ(model.weights.names(), std::vector<std::string>{"l.weight"});
  EXPECT_EQ(model.graph.find_weight("l.weight")->uses().size(), 2U);
}

// Query, key and value take their thirds of one bias, which are all zero in a new network and are trained apart.
TEST(PlainWeights, EqualValuesOfDifferentExpressionsStayApart) {
  Model model = model_from(R"text(graph {
    param %b "attention.in_proj_bias": f32[6] grad
    param %q "attention.q_proj_weight": f32[3, 3] grad
    param %k "attention.k_proj_weight": f32[3, 3] grad
    input %x: f32[s0{2}, 3]
    [%b0: f32[3], %b1: f32[3]] = aten.chunk.default(self=%b, chunks=2)
    %y: f32[s0{2}, 3] = aten.linear.default(input=%x, weight=%q, bias=%b0) @attention
    %z: f32[s0{2}, 3] = aten.linear.default(input=%y, weight=%k, bias=%b1) @attention
    output %z
  })text");
  model.weights.get("attention.in_proj_bias").zero_();
  EXPECT_EQ(make_weights_plain(model).size(), 2U);
  EXPECT_EQ(model.weights.names(), (std::vector<std::string>{"attention.q_proj_weight", "attention.k_proj_weight", "attention.bias", "attention.bias_1"}));
}

TEST(PlainWeights, LeaveMovesQuantisedAndComputedOnesAlone) {
  const std::string text = R"text(graph {
    param %w "w": f32[4, 3] grad
    param %e "e": f32[4, 4] grad
    param %f "f": f32[4, 4] grad
    buffer %s "s": f32[4, 4]
    buffer %filter "filter": f32[4, 4]
    input %x: f32[s0{2}, 3]
    %t: f32[3, 4] = aten.t.default(self=%w)
    %y: f32[s0{2}, 4] = aten.matmul.default(self=%x, other=%t)
    %q: f32[4, 4] = aten.fake_quantize_per_tensor_affine.default(self=%e, scale=0.1, zero_point=0, quant_min=-127, quant_max=127)
    %z: f32[s0{2}, 4] = aten.linear.default(input=%y, weight=%q)
    %noise: f32[4, 4] = aten.rand_like.default(self=%f)
    %random: f32[4, 4] = aten.add.Tensor(self=%f, other=%noise)
    %a: f32[s0{2}, 4] = aten.linear.default(input=%z, weight=%random)
    %moved: f32[4, 4] = aten.mul_.Tensor(self=%s, other=0.5)
    %changing: f32[4, 4] = aten.add.Tensor(self=%f, other=%moved)
    %b: f32[s0{2}, 4] = aten.linear.default(input=%a, weight=%changing)
    %repeated: f32[4, 4] = aten.mul.Tensor(self=%filter, other=2)
    %filtered: f32[s0{2}, 4] = aten.linear.default(input=%b, weight=%repeated)
    %own: f32[s0{2}, 4] = aten.mul.Tensor(self=%b, other=%b)
    %c: f32[s0{2}, s0{2}] = aten.linear.default(input=%b, weight=%own)
    output %c
    output %filtered
  })text";
  Model model = model_from(text);
  const std::string before = print_graph(model.graph);
  EXPECT_TRUE(make_weights_plain(model).empty());
  EXPECT_EQ(print_graph(model.graph), before);
}

}  // namespace
}  // namespace dsc
