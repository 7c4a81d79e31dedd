#include "ops/cost.h"
#include "ops/residual.h"
#include "passes/restructure/run_restructure.h"

namespace dsc {

PassInfo make_restructure_drop_blocks();

namespace {

using namespace test;

Rewritten drop(const std::string& options, const Model& model, FakeData data = {}) { return rewrite(make_restructure_drop_blocks(), options, model, data); }

// conv1, then four blocks of which the third halves the picture.
Model deep_cnn() {
  ModelBuilder build(3);
  auto* x = build.relu(build.batch_norm(build.conv(build.input("x", {3, 8, 8}), "conv1", 3, 8, 3), "bn1"));
  for (const char* name : {"layer1.0", "layer1.1"}) x = residual_block(build, x, name, 8, 8, 1);
  x = residual_block(build, x, "layer2.0", 8, 16, 2);
  x = residual_block(build, x, "layer2.1", 16, 16, 1);
  return build.finish(build.linear(build.pool(x), "fc", 16, 4));
}

std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names;
  for (const auto& block : find_residual_blocks(model.graph)) names.push_back(block.name);
  return names;
}

// The last batch norm of a branch gives zeros.
void silence(Model& model, const std::string& batch_norm) {
  for (const char* part : {".weight", ".bias"}) model.weights.set(batch_norm + part, at::zeros_like(model.weights.get(batch_norm + part)));
}

TEST(DropBlocks, ABlockWithASilentBranchCanGo) {
  Model model = deep_cnn();
  const auto names = names_of(model);
  ASSERT_EQ(names.size(), 3U);
  for (const char* bn : {"layer1.0.bn2", "layer2.1.bn2"}) silence(model, bn);
  const auto made = drop("blocks: ['" + names.front() + "', '" + names.back() + "']", model);
  for (const char* weight : {"layer1.0.conv1.weight", "layer2.1.conv2.weight", "layer2.1.bn2.weight"}) EXPECT_FALSE(made.model.weights.has(weight)) << weight;
  EXPECT_TRUE(made.model.weights.has("layer1.1.conv1.weight"));
  expect_equal_outputs(made.model, model, 1e-6);
}

// Of blocks in a row the earlier may go first: the later one then starts where that one did.
TEST(DropBlocks, BlocksInARowGoInAnyOrder) {
  ModelBuilder build(5);
  auto* x = build.relu(build.batch_norm(build.conv(build.input("x", {3, 8, 8}), "conv1", 3, 8, 3), "bn1"));
  for (const char* name : {"layer1.0", "layer1.1", "layer1.2", "layer1.3"}) x = residual_block(build, x, name, 8, 8, 1);
  Model model = build.finish(build.linear(build.pool(x), "fc", 8, 4));
  for (const char* bn : {"layer1.0.bn2", "layer1.1.bn2", "layer1.2.bn2"}) silence(model, bn);
  const auto blocks = find_residual_blocks(model.graph);
  for (const std::vector<std::size_t>& order : std::vector<std::vector<std::size_t>>{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}}) {
    Model copy = model.clone();
    std::vector<ResidualBlock> gone;
    for (const std::size_t i : order) gone.push_back(blocks.at(i));
    drop_blocks(copy.graph, gone);
    EXPECT_TRUE(verify(copy).empty());
    EXPECT_EQ(names_of(copy).size(), 1U);
    expect_equal_outputs(copy, model, 1e-6);
  }
  const auto made = drop("keep: [3]", model);
  EXPECT_EQ(names_of(made.model).size(), 1U);
  expect_equal_outputs(made.model, model, 1e-6);
}

TEST(DropBlocks, TheBlockWithTheSilentBranchTurnsItsInputLeast) {
  Model model = deep_cnn();
  silence(model, "layer1.1.bn2");
  MemoryDataset train = synthetic_images(64);
  const auto made = drop("count: 1", model, {.train = &train});
  EXPECT_FALSE(made.model.weights.has("layer1.1.conv1.weight"));
  EXPECT_EQ(made.result.tables.at(0).rows.size(), 3U);
}

TEST(DropBlocks, AblationDropsWhatTheMetricMissesLeast) {
  Model model = deep_cnn();
  MemoryDataset valid = synthetic_images(32);
  FakeContext context(model, {.valid = &valid});
  context.metrics = [](const Model& m, const Dataset&, std::int64_t) {
    return Metrics{{"top1", 0.4 + (m.weights.has("layer1.0.conv1.weight") ? 0.3 : 0) + (m.weights.has("layer1.1.conv1.weight") ? 0.2 : 0) +
                                (m.weights.has("layer2.1.conv1.weight") ? 0.1 : 0)}};
  };
  Model small = model.clone();
  ConfiguredPass(make_restructure_drop_blocks(), "{count: 2, importance: ablation}").run(small, context);
  EXPECT_EQ(context.evaluations, 4);
  EXPECT_TRUE(small.weights.has("layer1.0.conv1.weight"));
  EXPECT_FALSE(small.weights.has("layer1.1.conv1.weight") || small.weights.has("layer2.1.conv1.weight"));
}

TEST(DropBlocks, EncoderBranchesInPostNormForm) {
  Model model = fixture_model("encoder");
  const auto names = names_of(model);
  ASSERT_EQ(names.size(), 2U);  // attention and feed-forward; the sum with the positions is no branch
  for (const char* part : {"o.weight", "o.bias", "down.weight", "down.bias"}) model.weights.set(part, at::zeros_like(model.weights.get(part)));
  for (const auto& name : names) expect_equal_outputs(drop("blocks: ['" + name + "']", model).model, model, 1e-5);
}

// A layer as in BERT: module encoder.layer.N holds both branches and both norms.
Model post_norm_layers(int count) {
  ModelBuilder build(5);
  auto* x = build.input("x", {8});
  for (int i = 0; i < count; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i);
    auto in_layer = [&](const std::string& target, std::vector<NamedArgument> arguments, const std::string& module) {
      return build.node(target, std::move(arguments), {8}, layer + module, "torch.nn.Module");
    };
    for (const char* part : {".a", ".b"}) {
      auto* w = build.parameter(layer + part + ".weight", {8, 8}, 8);
      auto* branch = in_layer("aten.linear.default", {{"input", x}, {"weight", w}}, part);
      auto* sum = in_layer("aten.add.Tensor", {{"self", x}, {"other", branch}}, part);
      x = in_layer("aten.layer_norm.default", {{"input", sum}, {"normalized_shape", IntList{std::int64_t{8}}}}, part);
    }
  }
  return build.finish(build.linear(x, "fc", 8, 4));
}

TEST(DropBlocks, AnEncoderLayerIsOneBlock) {
  const Model model = post_norm_layers(3);
  EXPECT_EQ(names_of(model), (std::vector<std::string>{"encoder.layer.0", "encoder.layer.1", "encoder.layer.2"}));
  // What remains is the network of two layers with the weights of the first and the third.
  Model two = post_norm_layers(2);
  for (const char* part : {".a", ".b"}) {
    two.weights.set("encoder.layer.0" + std::string(part) + ".weight", model.weights.get("encoder.layer.0" + std::string(part) + ".weight"));
    two.weights.set("encoder.layer.1" + std::string(part) + ".weight", model.weights.get("encoder.layer.2" + std::string(part) + ".weight"));
  }
  two.weights.set("fc.weight", model.weights.get("fc.weight"));
  for (const char* options : {"blocks: [encoder.layer.1]", "keep: [0, 2]"}) expect_equal_outputs(drop(options, model).model, two, 1e-6);
}

TEST(DropBlocks, MeetsAShareOfTheCost) {
  Model model = deep_cnn();
  MemoryDataset train = synthetic_images(32);
  const auto made = drop("macs: 0.5", model, {.train = &train});
  EXPECT_LE(model_cost(made.model).macs, 0.5 * model_cost(model).macs);
}

TEST(DropBlocks, SaysWhatCannotBe) {
  const auto info = make_restructure_drop_blocks();
  EXPECT_EQ(problems_of(info, "blocks: [layer9.*]", deep_cnn()).size(), 1U);
  EXPECT_EQ(problems_of(info, "count: 4", deep_cnn()).size(), 1U);
  EXPECT_EQ(problems_of(info, "macs: 0.95", deep_cnn()).size(), 1U);
  EXPECT_EQ(problems_of(info, "count: 1", tiny_mlp()).size(), 1U);
  FakeContext context(deep_cnn());
  context.rehearsal = true;
  Model model = deep_cnn();
  EXPECT_THROW(ConfiguredPass(info, "{count: 1, importance: ablation}").run(model, context), Error);
}

}  // namespace
}  // namespace dsc
