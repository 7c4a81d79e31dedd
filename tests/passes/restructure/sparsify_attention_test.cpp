// Windowed and top-k attention against plain loops, and against the original where nothing is cut off.
#include <algorithm>
#include <cmath>
#include <functional>

#include "passes/restructure/run_restructure.h"

namespace dsc {

PassInfo make_restructure_sparsify_attention();

namespace {

using namespace test;

constexpr std::int64_t kHeads = 2, kLength = 6, kSize = 4;

Rewritten sparsify(const std::string& options, const Model& model) { return rewrite(make_restructure_sparsify_attention(), options, model); }

// q, k, v [N, heads, length, size] -> attention, whole or spelled out.
Model attention_model(bool whole, std::vector<NamedArgument> more = {}) {
  ModelBuilder build(1);
  auto *q = build.input("q", {kHeads, kLength, kSize}), *k = build.input("k", {kHeads, kLength, kSize}), *v = build.input("v", {kHeads, kLength, kSize});
  if (whole) {
    std::vector<NamedArgument> arguments = {{"query", q}, {"key", k}, {"value", v}};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return build.finish(build.node("aten.scaled_dot_product_attention.default", arguments, {kHeads, kLength, kSize}));
  }
  auto* turned = build.node("aten.transpose.int", {{"self", k}, {"dim0", std::int64_t{2}}, {"dim1", std::int64_t{3}}}, {kHeads, kSize, kLength});
  auto* product = build.node("aten.matmul.default", {{"self", q}, {"other", turned}}, {kHeads, kLength, kLength});
  auto* scores = build.node("aten.div.Tensor", {{"self", product}, {"other", 2.0}}, {kHeads, kLength, kLength});
  auto* shares = build.node("aten.softmax.int", {{"self", scores}, {"dim", std::int64_t{-1}}}, {kHeads, kLength, kLength});
  return build.finish(build.node("aten.matmul.default", {{"self", shares}, {"other", v}}, {kHeads, kLength, kSize}));
}

std::vector<at::Tensor> random_inputs() {
  return {noise({2, kHeads, kLength, kSize}, 1), noise({2, kHeads, kLength, kSize}, 2), noise({2, kHeads, kLength, kSize}, 3)};
}

// allowed(scores of a row, query, key): whether the key gets a share.
using Allowed = std::function<bool(const std::vector<double>& scores, std::int64_t query, std::int64_t key)>;

at::Tensor by_hand(const std::vector<at::Tensor>& inputs, const Allowed& allowed) {
  at::Tensor q = inputs[0].to(at::kDouble), k = inputs[1].to(at::kDouble), v = inputs[2].to(at::kDouble), out = at::zeros_like(q);
  for (std::int64_t n = 0; n < q.size(0); ++n) {
    for (std::int64_t h = 0; h < kHeads; ++h) {
      for (std::int64_t i = 0; i < kLength; ++i) {
        std::vector<double> scores;
        for (std::int64_t j = 0; j < kLength; ++j) scores.push_back((q[n][h][i] * k[n][h][j]).sum().item<double>() / std::sqrt(static_cast<double>(kSize)));
        double total = 0;
        for (std::int64_t j = 0; j < kLength; ++j) total += allowed(scores, i, j) ? std::exp(scores[static_cast<std::size_t>(j)]) : 0;
        for (std::int64_t j = 0; j < kLength; ++j) {
          if (allowed(scores, i, j)) out[n][h][i] += v[n][h][j] * (std::exp(scores[static_cast<std::size_t>(j)]) / total);
        }
      }
    }
  }
  return out;
}

bool in_window(std::int64_t i, std::int64_t j) { return std::abs(i - j) <= 1; }
bool among_best(const std::vector<double>& scores, std::int64_t j) {
  return std::ranges::count_if(scores, [&](double score) { return score > scores[static_cast<std::size_t>(j)]; }) < 3;
}

void expect_near(const at::Tensor& found, const at::Tensor& expected) { EXPECT_LE((found.to(at::kDouble) - expected).abs().max().item<double>(), 1e-5); }

TEST(SparsifyAttention, WindowsAgainstLoops) {
  const auto inputs = random_inputs();
  const auto expected = by_hand(inputs, [](const auto&, auto i, auto j) { return in_window(i, j); });
  for (bool whole : {true, false}) expect_near(output_of(sparsify("window: 1", attention_model(whole)).model, inputs), expected);
}

TEST(SparsifyAttention, WindowsUnderACausalMask) {
  const auto inputs = random_inputs();
  const auto made = sparsify("window: 1", attention_model(true, {{"is_causal", true}}));
  expect_near(output_of(made.model, inputs), by_hand(inputs, [](const auto&, auto i, auto j) { return in_window(i, j) && j <= i; }));
}

TEST(SparsifyAttention, BestKeysAgainstLoops) {
  const auto inputs = random_inputs();
  const auto expected = by_hand(inputs, [](const auto& scores, auto, auto j) { return among_best(scores, j); });
  for (bool whole : {true, false}) expect_near(output_of(sparsify("top_k: 3", attention_model(whole)).model, inputs), expected);
}

// Keys 0 and 4 are hidden by a mask of booleans.
Model masked_model() {
  ModelBuilder build(1);
  auto *q = build.input("q", {kHeads, kLength, kSize}), *k = build.input("k", {kHeads, kLength, kSize}), *v = build.input("v", {kHeads, kLength, kSize});
  auto* hidden = build.weight(InputKind::constant, "c_", "visible", at::tensor({0, 1, 1, 1, 0, 1}, at::kLong));
  auto* visible = build.node("aten.gt.Scalar", {{"self", hidden}, {"other", std::int64_t{0}}}, {});
  build.graph().set_type(visible, TensorType{.dtype = ScalarType::boolean, .sizes = {{kLength, ""}}});
  return build.finish(build.node("aten.scaled_dot_product_attention.default", {{"query", q}, {"key", k}, {"value", v}, {"attn_mask", visible}}, {kHeads, kLength, kSize}));
}

TEST(SparsifyAttention, MasksOfBooleansStay) {
  const auto inputs = random_inputs();
  auto shown = [](std::int64_t j) { return j != 0 && j != 4; };
  expect_near(output_of(sparsify("window: 1", masked_model()).model, inputs), by_hand(inputs, [&](const auto&, auto i, auto j) { return in_window(i, j) && shown(j); }));
  expect_near(output_of(sparsify("top_k: 6", masked_model()).model, inputs), by_hand(inputs, [&](const auto&, auto, auto j) { return shown(j); }));
}

TEST(SparsifyAttention, NothingCutOffIsTheOriginal) {
  for (const char* options : {"window: 100", "top_k: 100"}) {
    for (bool whole : {true, false}) expect_equal_outputs(sparsify(options, attention_model(whole)).model, attention_model(whole), 1e-6);
    // Exported models whose length is open, with a mask of numbers and a causal one.
    for (const char* name : {"encoder", "decoder"}) {
      const Model model = fixture_model(name);
      const auto made = sparsify(options, model);
      EXPECT_EQ(made.result.statistics.at(0).value, 1);
      expect_equal_outputs(made.model, model, 1e-5);
    }
  }
}

TEST(SparsifyAttention, OpenLengthsFollowTheInput) {
  const Model narrow = sparsify("window: 2", fixture_model("decoder")).model, best = sparsify("top_k: 3", fixture_model("decoder")).model;
  for (std::int64_t length : {2, 9}) {
    at::Tensor tokens = at::arange(2 * length, at::kLong).reshape({2, length}).remainder(31);
    const auto original = output_of(fixture_model("decoder"), {tokens});
    for (const Model* model : {&narrow, &best}) {
      const auto changed = output_of(*model, {tokens});
      EXPECT_EQ(changed.sizes(), original.sizes());
      // The first positions see all that they saw before; later ones do not.
      EXPECT_LE((changed.slice(1, 0, 2) - original.slice(1, 0, 2)).abs().max().item<double>(), 1e-5);
      const double difference = (changed - original).abs().max().item<double>();
      EXPECT_EQ(difference > 1e-5, length > 4) << difference;
    }
  }
}

TEST(SparsifyAttention, SaysWhatCannotBe) {
  const auto info = make_restructure_sparsify_attention();
  EXPECT_EQ(problems_of(info, "window: 1", tiny_mlp()).size(), 1U);
  EXPECT_EQ(problems_of(info, "window: 1, only: [layer9]", attention_model(true)).size(), 1U);
  EXPECT_THROW(sparsify("window: 1, top_k: 2", attention_model(true)), Error);
}

}  // namespace
}  // namespace dsc
