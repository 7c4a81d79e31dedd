// A network cut into stretches against the whole.
#include "ops/stretches.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

#include "deploy/language_models.h"
#include "exec/executor.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// Every value of the graph's last node by running the stretches in turn, each with nothing but what it takes.
at::Tensor run_in_turn(const Model& model, const Stretches& stretches, const std::map<std::string, at::Tensor>& inputs) {
  std::map<std::string, at::Tensor> made = inputs;
  const std::string last = model.graph.nodes().back()->output()->name();
  at::Tensor result;
  for (const Stretch& stretch : stretches.all) {
    const Graph part = graph_of(model.graph, stretch);
    std::vector<at::Tensor> taken;
    for (const Value* value : stretch.takes) taken.push_back(made.at(value->name()));
    std::vector<const Value*> tapped;
    if (const Value* value = part.find_value(last)) tapped.push_back(value);
    const auto given = Executor(part, model.weights, {}).run(taken, tapped, [&](const Value&, const at::Tensor& tensor) { result = tensor; });
    for (std::size_t i = 0; i < given.size(); ++i) made[stretch.gives[i]->name()] = given[i];
  }
  return result;
}

class StretchesOfLanguageModels : public testing::TestWithParam<const char*> {};

TEST_P(StretchesOfLanguageModels, InTurnAreTheWholeBitForBit) {
  const auto [model, prompts, tokens, scores] = test::read_recorded(GetParam());
  const at::Tensor mask = at::ones_like(prompts);
  const Stretches stretches = cut_at_blocks(model.graph);
  ASSERT_EQ(stretches.all.size(), 3u);  // embedding and block, block, head
  const at::Tensor whole = Executor(model, {}).run({prompts, mask}).at(0);
  EXPECT_TRUE(run_in_turn(model, stretches, {{"input_ids", prompts}, {"attention_mask", mask}}).equal(whole));
}

// What a stretch needs of the model: its own block.
TEST_P(StretchesOfLanguageModels, ReadTheWeightsOfTheirBlockAlone) {
  const auto recorded = test::read_recorded(GetParam());
  const Stretches stretches = cut_at_blocks(recorded.model.graph);
  const Graph second = graph_of(recorded.model.graph, stretches.all.at(1));
  EXPECT_NE(second.find_weight("model.model.layers.1.mlp.down_proj.weight"), nullptr);
  for (const GraphInput& input : second.inputs()) {
    EXPECT_TRUE(!input.is_weight() || input.kind == InputKind::buffer || input.target.find("layers.1.") != std::string::npos) << input.target;
  }
}

INSTANTIATE_TEST_SUITE_P(, StretchesOfLanguageModels, testing::Values("llama", "qwen3", "gemma3"), [](const auto& info) { return std::string(info.param); });

TEST(Stretches, OfANetworkWithoutBlocksAreOne) {
  test::ModelBuilder build(1);
  const Model model = build.finish(build.linear(build.input("x", {4}), "fc", 4, 8));
  EXPECT_EQ(cut_at_blocks(model.graph).all.size(), 1u);
}

// What is quantised does not cross: each stretch that reads it quantises again.
TEST(Stretches, QuantiseWhatTheyRead) {
  test::ModelBuilder build(1);
  auto* stem = build.linear(build.input("x", {4}), "stem", 4, 8);
  const std::vector<NamedArgument> grid = {
      {"scale", 0.1}, {"zero_point", std::int64_t{3}}, {"quant_min", std::int64_t{0}}, {"quant_max", std::int64_t{255}}};
  const auto quantised = [&](Value* value) {
    auto arguments = grid;
    arguments.insert(arguments.begin(), {"self", value});
    return build.node("aten.fake_quantize_per_tensor_affine.default", std::move(arguments), {8}, "stem");
  };
  auto* shared = quantised(stem);
  auto* early = build.linear(shared, "early", 8, 8);
  auto* sum = build.node("aten.add.Tensor", {{"self", build.linear(shared, "late", 8, 8)}, {"other", early}}, {8}, "sum");
  const Model model = build.finish(sum);
  const Stretches cut = cut_behind(model.graph, {early->producer()});
  ASSERT_EQ(cut.all.size(), 2u);
  EXPECT_EQ(cut.all[1].takes, (std::vector<Value*>{early, stem}));
  const at::Tensor x = at::randn({5, 4});
  EXPECT_TRUE(run_in_turn(model, cut, {{"x", x}}).equal(Executor(model, {}).run({x}).at(0)));
}

// In place on what an earlier stretch has made: its other readers must see it.
TEST(Stretches, ThatWriteIntoEachOthersResultsAreOne) {
  test::ModelBuilder build(1);
  auto* x = build.linear(build.input("x", {4}), "stem", 4, 8);
  const auto block = [&](Value* in, const std::string& name, const char* activation) {
    auto* own = build.node(activation, {{"self", in}}, {8}, name);
    return build.node("aten.add.Tensor", {{"self", build.linear(own, name + ".fc", 8, 8)}, {"other", in}}, {8}, name);
  };
  Model plain = build.finish(block(block(x, "stage.0", "aten.relu.default"), "stage.1", "aten.relu.default"));
  EXPECT_EQ(cut_at_blocks(plain.graph).all.size(), 2u);
  for (Node* node : plain.graph.nodes()) {
    if (node->is("aten.relu.default")) plain.graph.set_target(node, "aten.relu_.default");
  }
  EXPECT_EQ(cut_at_blocks(plain.graph).all.size(), 1u);
}

}  // namespace
}  // namespace dsc
