// Blocks and attention against what the networks' sources say.
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "io/pt2.h"
#include "ops/attention_patterns.h"
#include "ops/blocks.h"
#include "ops/modules.h"
#include "ops/open_attention.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::ModelBuilder;

Model fixture(const std::string& name) { return read_pt2(DSC_SOURCE_DIR "/tests/fixtures/exec/" + name + ".pt2"); }

std::vector<std::string> outputs_of(const std::vector<Block>& blocks) {
  std::vector<std::string> names;
  for (const Block& block : blocks) names.push_back(block.name + " " + (block.input ? block.input->name() : "") + " " + block.output->name());
  return names;
}

// Two residual modules, the second with another width, and an add that is none of theirs.
Model modular() {
  ModelBuilder build(1);
  auto* x = build.linear(build.input("x", {4}), "stem", 4, 8);
  const auto block = [&](Value* in, const std::string& name, std::int64_t from, std::int64_t to) {
    auto* shortcut = from == to ? in : build.linear(in, name + ".shortcut", from, to);
    auto* sum = build.node("aten.add.Tensor", {{"self", build.linear(in, name + ".fc", from, to)}, {"other", shortcut}}, {to}, name);
    return build.node("aten.relu.default", {{"self", sum}}, {to}, name);
  };
  x = block(block(x, "stage.0", 8, 8), "stage.1", 8, 6);
  return build.finish(build.add(x, build.linear(x, "head", 6, 6)));
}

TEST(Blocks, AreRepeatedModulesWithAJoin) {
  EXPECT_EQ(outputs_of(find_blocks(modular().graph)), (std::vector<std::string>{"stage.0 linear relu", "stage.1 relu relu_1"}));
}

TEST(Blocks, WithoutModulesAndAttentionEachJoinIsOne) {
  // The first block keeps the shape, the second changes it.
  EXPECT_EQ(outputs_of(find_blocks(test::tiny_residual_cnn().graph)), (std::vector<std::string>{"add relu add", "add_1 add add_1"}));
}

TEST(Blocks, WithoutModulesAttentionCounts) {
  // Normalised after its adds: the hidden state is the last normalisation.
  EXPECT_EQ(outputs_of(find_blocks(fixture("encoder").graph)), (std::vector<std::string>{"add_2 add layer_norm_1"}));
  // Normalised before: the sum itself; rotations of queries and keys are no blocks.
  EXPECT_EQ(outputs_of(find_blocks(fixture("decoder").graph)), (std::vector<std::string>{"add_5 embedding add_5"}));
}

TEST(Blocks, ThereAreNoneInAPlainNetwork) { EXPECT_TRUE(find_blocks(test::tiny_mlp().graph).empty()); }

TEST(Modules, GiveTheirOutput) {
  const Model model = test::tiny_mlp();
  EXPECT_EQ(find_module_output(model.graph, "fc2")->producer()->module_path(), "fc2");
  EXPECT_EQ(find_module_output(model.graph, "nothing"), nullptr);
  EXPECT_EQ(module_paths(test::tiny_residual_cnn().graph).at(2), "layer1");
  EXPECT_EQ(repeated_module("encoder.layer.3.attention.output"), "encoder.layer.3");
  EXPECT_EQ(repeated_module("layer1"), "");
}

at::Tensor output_of(const Model& model, const std::vector<at::Tensor>& inputs) {
  c10::NoGradGuard no_grad;
  return Executor(model, {}).run(inputs).at(0);
}

void expect_same_when_opened(const Model& model) {
  Model opened = model.clone();
  int count = 0;
  for (const Attention& attention : find_attention(opened.graph)) {
    if (!attention.is_whole) continue;
    open_attention(opened.graph, attention.node);
    ++count;
  }
  ASSERT_GT(count, 0);
  const auto inputs = example_inputs(model, 3, 5);
  refresh_types(opened, example_inputs(opened, 0, 1));
  const auto a = output_of(model, inputs), b = output_of(opened, inputs);
  EXPECT_LE((a - b).abs().max().item<double>(), 1e-5);
}

TEST(OpenAttention, ComputesTheSame) {
  for (const char* name : {"encoder", "decoder"}) expect_same_when_opened(fixture(name));
}

TEST(OpenAttention, SharesKeyHeadsAndScales) {
  ModelBuilder build(1);
  auto *q = build.input("q", {4, 6, 8}), *k = build.input("k", {2, 6, 8}), *v = build.input("v", {2, 6, 8});
  expect_same_when_opened(build.finish(build.node("aten.scaled_dot_product_attention.default",
                                                  {{"query", q}, {"key", k}, {"value", v}, {"is_causal", true}, {"scale", 0.2}, {"enable_gqa", true}}, {4, 6, 8})));
}

TEST(OpenAttention, TakesAScaleThatIsWritten1) {
  ModelBuilder build(1);
  auto *q = build.input("q", {2, 6, 8}), *k = build.input("k", {2, 6, 8}), *v = build.input("v", {2, 6, 8});
  expect_same_when_opened(build.finish(
      build.node("aten.scaled_dot_product_attention.default", {{"query", q}, {"key", k}, {"value", v}, {"scale", std::int64_t{1}}}, {2, 6, 8})));
}

}  // namespace
}  // namespace dsc
