// Windows computed in blocks against dense attention under a band mask, in double precision.
#include <ATen/ATen.h>

#include <limits>
#include <map>

#include "deploy/cached_decoder.h"
#include "deploy/language_models.h"
#include "deploy/openvino_engine.h"
#include "deploy/text_model.h"
#include "ops/cost.h"
#include "passes/restructure/run_restructure.h"
#include "support/error_of.h"

namespace dsc {

PassInfo make_restructure_sparsify_attention();

namespace {

using namespace test;

constexpr std::int64_t kReach = 3;

Rewritten sparsify(const std::string& options, const Model& model) { return rewrite(make_restructure_sparsify_attention(), options, model); }

struct Case {
  const char* name;
  const char* mask;       // the type of %mask; empty: none
  const char* arguments;  // further ones of the attention
  std::int64_t globals = 0;
  bool causal = false;
};
void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

// q, k, v [N, heads, length, 4], batch and length open.
Model attention(const Case& c) {
  const std::string type = "f32[s0{2}, 3, s1{30}, 4]", mask = c.mask;
  return text_model("graph {\n  input %q: " + type + "\n  input %k: " + type + "\n  input %v: " + type + "\n" + (mask.empty() ? "" : "  input %mask: " + mask + "\n") +
                    "  %y: " + type + " = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v" + (mask.empty() ? "" : ", attn_mask=%mask") + c.arguments +
                    ")\n  output %y\n}");
}

std::vector<at::Tensor> inputs_of(const Model& model, std::int64_t batch, std::int64_t length) {
  std::vector<at::Tensor> tensors;
  for (const GraphInput& input : model.graph.inputs()) {
    std::vector<std::int64_t> sizes;
    for (const Dim& dim : input.value->tensor().sizes) sizes.push_back(dim.expression == "s0" ? batch : dim.expression == "s1" ? length : dim.size);
    at::Tensor tensor = noise(sizes, 7 + tensors.size());
    tensors.push_back(input.value->tensor().dtype == ScalarType::boolean ? tensor > -0.5 : tensor);
  }
  return tensors;
}

// Whole attention: scores outside the window and of what the mask hides are left out; rows without a key are NaN.
at::Tensor dense(const Case& c, const std::vector<at::Tensor>& inputs) {
  const at::Tensor q = inputs[0].to(at::kDouble), k = inputs[1].to(at::kDouble), v = inputs[2].to(at::kDouble);
  const at::Tensor row = at::arange(q.size(2)).unsqueeze(1), column = at::arange(q.size(2));
  at::Tensor shown = (row - column).abs() <= kReach;
  shown = shown.logical_or(row < c.globals).logical_or(column < c.globals);
  if (c.causal) shown = shown.logical_and(column <= row);
  at::Tensor scores = at::matmul(q, k.transpose(2, 3)) / 2;
  if (inputs.size() > 3 && inputs[3].scalar_type() == at::kBool) shown = shown.logical_and(inputs[3]);
  else if (inputs.size() > 3) scores = scores + inputs[3].to(at::kDouble);
  return at::matmul(at::softmax(scores.masked_fill(shown.logical_not(), -INFINITY), -1), v);
}

void expect_same(const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_FALSE(found.isnan().any().item<bool>()) << what;
  const at::Tensor differences = (found.to(at::kDouble) - expected).abs().nan_to_num(0);
  EXPECT_LE(differences.max().item<double>(), 1e-5) << what;
}

std::string options_of(const Case& c) { return "window: 3, block: 4, globals: " + std::to_string(c.globals); }

double statistic_of(const PassResult& result, const std::string& name) {
  for (const Statistic& statistic : result.statistics) {
    if (statistic.name == name) return statistic.value;
  }
  return -1;
}

class BlockAttention : public testing::TestWithParam<Case> {};

TEST_P(BlockAttention, IsDenseAttentionInTheWindow) {
  const Case& c = GetParam();
  const Model model = attention(c);
  const auto made = sparsify(options_of(c), model);
  EXPECT_EQ(statistic_of(made.result, "attentions_in_blocks"), 1);
  for (const std::int64_t length : {1, 2, 4, 5, 8, 11, 30, 33}) {
    for (const std::int64_t batch : {1, 3}) {
      const auto inputs = inputs_of(model, batch, length);
      expect_same(output_of(made.model, inputs), dense(c, inputs), "length " + std::to_string(length) + ", batch " + std::to_string(batch));
    }
  }
}

TEST_P(BlockAttention, HasTheSameGradients) {
  const Case& c = GetParam();
  const Model model = attention(c);
  const auto made = sparsify(options_of(c), model);
  const auto inputs = inputs_of(model, 2, 13);
  std::vector<at::Tensor> found = inputs, exact = inputs;
  for (std::size_t i = 0; i < 3; ++i) {
    found[i] = inputs[i].clone().requires_grad_();
    exact[i] = inputs[i].clone().requires_grad_();
  }
  const at::Tensor weights = noise({2, 3, 13, 4}, 99);
  const at::Tensor expected = dense(c, exact), alive = expected.detach().isnan().logical_not();
  (Executor(made.model, {.record_gradients = true}).run(found).at(0) * weights * alive).sum().backward();
  (expected.masked_fill(alive.logical_not(), 0) * weights.to(at::kDouble)).sum().backward();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LE((found[i].grad() - exact[i].grad()).nan_to_num(0).abs().max().item<double>(), 1e-5) << "input " << i;
}

TEST_P(BlockAttention, IsTheSameInOpenVino) {
  if (!openvino_available()) GTEST_SKIP() << "this build has no OpenVINO engine";
  const Model model = attention(GetParam());
  const auto made = sparsify(options_of(GetParam()), model);
  const auto engine = make_openvino_engine(made.model);
  for (const std::int64_t length : {2, 11, 32}) {
    const auto inputs = inputs_of(model, 2, length);
    const at::Tensor difference = engine->run(inputs).at(0) - output_of(made.model, inputs);
    EXPECT_LE(difference.abs().max().item<double>(), 1e-5) << length;
  }
}

INSTANTIATE_TEST_SUITE_P(Masks, BlockAttention, testing::Values(
    Case{"None", "", ""},
    Case{"Causal", "", ", is_causal=true", 0, true},
    Case{"GlobalPositions", "", "", 2},
    Case{"CausalWithGlobalPositions", "", ", is_causal=true", 2, true},
    Case{"Padding", "bool[s0{2}, 1, 1, s1{30}]", ""},
    Case{"PaddingInNumbers", "f32[s0{2}, 1, 1, s1{30}]", ""},
    Case{"PaddingAndGlobalPositions", "bool[s0{2}, 1, 1, s1{30}]", "", 2},
    Case{"Pairs", "bool[s0{2}, 1, s1{30}, s1{30}]", ""},
    Case{"PairsAndGlobalPositions", "f32[s0{2}, 1, s1{30}, s1{30}]", "", 1},
    Case{"BiasOfEachHead", "f32[3, s1{30}, s1{30}]", ""},
    Case{"BiasOfAll", "f32[s1{30}, s1{30}]", ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(BlockAttentionRows, OfNothingButPaddingAreNumbers) {
  const Case c{"Padding", "f32[s0{2}, 1, 1, s1{30}]", ""};
  const auto made = sparsify(options_of(c), attention(c));
  auto inputs = inputs_of(attention(c), 2, 22);
  for (const double hides : {-std::numeric_limits<double>::infinity(), static_cast<double>(std::numeric_limits<float>::lowest())}) {
    inputs[3] = at::zeros_like(inputs[3]);
    inputs[3][0].slice(2, 9) = hides;
    inputs[3][1] = hides;
    EXPECT_TRUE(output_of(made.model, inputs).isfinite().all().item<bool>());
    expect_same(output_of(made.model, inputs)[0].slice(1, 0, 9), dense(c, inputs)[0].slice(1, 0, 9), "rows that see keys");
    if (!openvino_available()) continue;
    EXPECT_TRUE(make_openvino_engine(made.model)->run(inputs).at(0).isfinite().all().item<bool>());
  }
}

// Heads of keys that queries share, values of another width, a scale of its own, three dimensions.
TEST(BlockAttentionShapes, AreThoseOfTheOriginal) {
  const Model shared = text_model(R"text(graph {
  input %q: f32[s0{2}, 4, s1{30}, 4]
  input %k: f32[s0{2}, 2, s1{30}, 4]
  input %v: f32[s0{2}, 2, s1{30}, 6]
  %y: f32[s0{2}, 4, s1{30}, 6] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v, enable_gqa:=true)
  output %y
})text");
  auto inputs = inputs_of(shared, 2, 14);
  std::vector<at::Tensor> repeated = {inputs[0], inputs[1].repeat_interleave(2, 1), inputs[2].repeat_interleave(2, 1)};
  expect_same(output_of(sparsify("window: 3, block: 4", shared).model, inputs), dense({}, repeated), "shared heads");
  const Model flat = text_model(R"text(graph {
  input %q: f32[s0{2}, s1{30}, 4]
  input %k: f32[s0{2}, s1{30}, 4]
  input %v: f32[s0{2}, s1{30}, 4]
  input %mask: bool[s0{2}, 1, s1{30}]
  %y: f32[s0{2}, s1{30}, 4] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v, attn_mask=%mask, scale:=0.25)
  output %y
})text");
  inputs = inputs_of(flat, 2, 14);
  std::vector<at::Tensor> scaled;
  for (const at::Tensor& input : inputs) scaled.push_back(input.unsqueeze(1));
  scaled[0] = scaled[0] / 2;
  expect_same(output_of(sparsify("window: 3, block: 4", flat).model, inputs), dense({}, scaled).squeeze(1), "no heads");
}

// As eager models write it, the mask added or filled in.
TEST(BlockAttentionSpelledOut, IsClosedFirst) {
  for (const bool fills : {false, true}) {
    const std::string mask = fills ? "bool[s0{2}, 1, 1, s1{30}]" : "f32[s0{2}, 1, 1, s1{30}]", type = "f32[s0{2}, 3, s1{30}, 4]", square = "f32[s0{2}, 3, s1{30}, s1{30}]";
    const Model model = text_model("graph {\n  input %q: " + type + "\n  input %k: " + type + "\n  input %v: " + type + "\n  input %mask: " + mask + R"text(
  %turned: f32[s0{2}, 3, 4, s1{30}] = aten.transpose.int(self=%k, dim0=2, dim1=3)
  %product: )text" + square + R"text( = aten.matmul.default(self=%q, other=%turned)
  %scaled: )text" + square + R"text( = aten.div.Tensor(self=%product, other=2.0)
  %masked: )text" + square + (fills ? " = aten.masked_fill.Scalar(self=%scaled, mask=%mask, value=-1e9)" : " = aten.add.Tensor(self=%scaled, other=%mask)") + R"text(
  %softmax: )text" + square + R"text( = aten.softmax.int(self=%masked, dim=-1)
  %dropout: )text" + square + R"text( = aten.dropout.default(input=%softmax, p=0.1, train=false)
  %y: )text" + type + R"text( = aten.matmul.default(self=%dropout, other=%v)
  output %y
})text");
    const auto made = sparsify("window: 3, block: 4", model);
    EXPECT_EQ(statistic_of(made.result, "attentions_in_blocks"), 1);
    auto inputs = inputs_of(model, 2, 17);
    auto expected = inputs;
    if (fills) expected[3] = inputs[3].logical_not();
    expect_same(output_of(made.model, inputs), dense({}, expected), fills ? "filled" : "added");
  }
}

TEST(BlockAttentionCosts, AreThoseOfTheWindow) {
  const std::string type = "f32[s0{2}, 3, 64, 4]";
  const Model model = text_model("graph {\n  input %q: " + type + "\n  input %k: " + type + "\n  input %v: " + type + "\n  %y: " + type +
                                 " = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v)\n  output %y\n}");
  const auto made = sparsify("window: 3, block: 8", model);
  EXPECT_EQ(model_cost(model).macs, 3 * 64 * 64 * 8);
  EXPECT_EQ(model_cost(made.model).macs, 3 * 64 * (8 + 6) * 8);
  EXPECT_DOUBLE_EQ(statistic_of(made.result, "macs_reduction"), 1 - 14.0 / 64);
  EXPECT_EQ(sparsify("window: 3, block: 8, form: mask", model).result.statistics.at(1).value, 0);
  EXPECT_TRUE(made.result.notes.empty());
}

TEST(BlockAttentionSizes, FollowOpenLengths) {
  const Model model = attention({"", "", ""});
  const Model made = sparsify("window: 3, block: 4", model).model;
  bool found = false;
  for (const Node* node : made.graph.nodes()) {
    if (node->op() != "aten.scaled_dot_product_attention") continue;
    found = true;
    EXPECT_EQ(node->output()->tensor().sizes[1].size, 2 * 8);
    EXPECT_EQ(node->output()->tensor().sizes[1].expression, "s0*((s1 + 3)//4)");
  }
  EXPECT_TRUE(found);
}

// One set of positions and one mask for all layers, and models from files: exported with open lengths.
TEST(BlockAttentionModels, ShareWhatTheyHaveInCommon) {
  const Case c{"", "bool[s0{2}, 1, 1, s1{30}]", ""};
  const std::string type = "f32[s0{2}, 3, s1{30}, 4]";
  const Model model = text_model("graph {\n  input %q: " + type + "\n  input %k: " + type + "\n  input %v: " + type + "\n  input %mask: " + c.mask + "\n  %x: " + type +
                                 " = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v, attn_mask=%mask)\n  %y: " + type +
                                 " = aten.scaled_dot_product_attention.default(query=%x, key=%k, value=%v, attn_mask=%mask)\n  output %y\n}");
  const auto made = sparsify("window: 3, block: 4", model);
  std::map<std::string, int, std::less<>> count;
  for (const Node* node : made.model.graph.nodes()) ++count[std::string(node->op())];
  EXPECT_EQ(count["aten.masked_fill"], 1);
  EXPECT_EQ(count["aten.abs"], 1);
  for (const char* name : {"encoder", "decoder"}) {
    const Model exported = fixture_model(name);
    const auto blocks = sparsify("window: 2, block: 4", exported), mask = sparsify("window: 2, form: mask", exported);
    EXPECT_EQ(statistic_of(blocks.result, "attentions_in_blocks"), 1) << name;
    expect_equal_outputs(blocks.model, mask.model, 1e-5);
  }
}

TEST(BlockAttentionInLanguageModels, HasNoCacheAndMaskedWindowsHave) {
  const Model model = read_recorded("llama").model;
  EXPECT_NO_THROW(to_cached_decoder(sparsify("window: 4, form: mask", model).model));
  const std::string error = error_of([&] { to_cached_decoder(sparsify("window: 4, block: 4", model).model); }).to_text();
  EXPECT_NE(error.find("form: mask"), std::string::npos) << error;
}

TEST(BlockAttentionNotes, SayWhereAMaskHadToDo) {
  const std::string type = "f32[s0{2}, 3, 9, 4]";
  const Model model = text_model("graph {\n  input %q: " + type + "\n  input %k: " + type + "\n  input %v: " + type + "\n  %y: " + type +
                                 " = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v)\n  output %y\n}");
  const auto made = sparsify("window: 3, block: 4", model);
  ASSERT_EQ(made.result.notes.size(), 1U);
  EXPECT_NE(made.result.notes[0].find("its 9 positions are no more than the 10 keys of a block"), std::string::npos) << made.result.notes[0];
  const auto inputs = inputs_of(model, 2, 9);
  expect_same(output_of(made.model, inputs), dense({}, inputs), "masked");
  const auto of_short = sparsify("window: 20, block: 4", attention({"", "", ""}));
  ASSERT_EQ(of_short.result.notes.size(), 1U);
  EXPECT_EQ(of_short.result.notes[0], "blocks save work for more than 44 positions; the example's 30 cost more than before");
  expect_same(output_of(sparsify("window: 3, globals: 2, form: mask", model).model, inputs), dense({.globals = 2}, inputs), "masked, with global positions");
}

}  // namespace
}  // namespace dsc
