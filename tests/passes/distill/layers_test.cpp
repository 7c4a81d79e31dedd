// Distillation of inner values: layers found from the graphs, several teachers, errors before training.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "ir/text.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/program.h"
#include "support/tiny_transformer.h"
#include "train/distill/session.h"

namespace dsc {

PassInfo make_distill_logits();
PassInfo make_quantize_quantize();

namespace {

using namespace test;

class DistillLayers : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  TokenDataset data{128, 1};
  const Model teacher = tiny_transformer(1, {.layers = 4, .width = 12, .dropout = 0.1}), student = tiny_transformer(2, {.dropout = 0.1});
  const std::string all = "{hidden: {weight: 0.5}}, embedding, {attention: {weight: 0.1}}, {relation: {mapping: last}}, kd, labels";

  static ConfiguredPass pass(const std::string& options) {
    return {make_distill_logits(), "{epochs: 4, batch: 32, optimizer: {adam: {lr: 0.01}}, validate_every: 0, " + options + "}"};
  }
  static std::int64_t count(const Model& model, std::string_view target) {
    return std::ranges::count_if(model.graph.nodes(), [&](const Node* node) { return node->is(target); });
  }
  // Losses of the first and last epoch.
  std::pair<double, double> curve(const FakeContext& context, const std::string& name) {
    const auto values = context.curve_values(name);
    return values.empty() ? std::pair{0.0, 1e9} : std::pair{values.front(), values.back()};
  }
};

TEST_F(DistillLayers, EveryLossFallsAndTheGraphStays) {
  auto model = student.clone();
  FakeContext context(teacher, {.train = &data});
  pass("losses: [" + all + "], mask: mask").run(model, context);
  for (const char* name : {"loss_hidden", "loss_embedding", "loss_attention", "loss_relation", "loss_kd"}) {
    const auto [first, last] = curve(context, name);
    EXPECT_LT(last, 0.95 * first) << name;
  }
  EXPECT_EQ(print_graph(model.graph), print_graph(student.graph));
  EXPECT_EQ(model.weights.names(), student.weights.names());
}

TEST_F(DistillLayers, LeaveFrozenModulesAlone) {
  const auto check = [&](const ConfiguredPass& configured) {
    FakeContext context(teacher, {.train = &data});
    auto model = student.clone();
    configured.run(model, context);
    for (const auto& name : {"embeddings.words.weight", "embeddings.norm.weight", "classifier.weight"}) {
      EXPECT_EQ(model.weights.get(name).equal(student.weights.get(name)), std::string_view(name).starts_with("embeddings")) << name;
    }
  };
  check(pass("losses: [hidden, kd], freeze: [embeddings]"));
  check({make_quantize_quantize(), "{mode: qat, epochs: 1, batch: 32, freeze: [embeddings], distill: {losses: [kd]}}"});
  EXPECT_EQ(pass("losses: [kd], freeze: [embedings]").check(student).at(0).place.pointer, "/freeze/0");
}

TEST_F(DistillLayers, ReadWhatTheTeacherShows) {
  // A student equal to its teacher, without dropout, has nothing to learn: every distance is zero from the start.
  const Model same = tiny_transformer(3, {.layers = 3});
  for (const char* loss : {"hidden", "embedding", "attention", "{attention: {distance: probabilities}}", "{attention: {distance: divergence}}",
                           "relation", "{relation: {of: key, mapping: uniform}}", "kd", "outputs"}) {
    auto model = same.clone();
    FakeContext context(same, {.train = &data});
    ConfiguredPass(make_distill_logits(),
                   std::string("{epochs: 1, batch: 32, bf16: false, optimizer: {sgd: {lr: 0.01}}, losses: [") + loss + "], mask: mask}")
        .run(model, context);
    EXPECT_NEAR(curve(context, "train_loss").first, 0, 1e-6) << loss;
  }
}

TEST_F(DistillLayers, PairsFollowNamesAndNumbers) {
  const DistillOptions options{.train = {}, .targets = {.losses = {Hidden{.map = {.layers = {{"0", "encoder.layer.2"}, {"encoder.*.1.norm1", "3"}}}}}}};
  FakeContext context(teacher, {.train = &data});
  DistillSession session(student, options, context);
  const auto& pairs = session.layer_terms(0).at(0).pairs();
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].student + " " + pairs[0].teacher, "encoder.layer.0 encoder.layer.2");
  EXPECT_EQ(pairs[1].student + " " + pairs[1].teacher, "encoder.layer.1.norm1 encoder.layer.3");
  EXPECT_TRUE(pairs[0].projection.is_same(pairs[1].projection));
  EXPECT_EQ(pairs[0].projection.sizes(), (std::vector<std::int64_t>{12, 8}));
}

TEST_F(DistillLayers, FeatureMapsOfConvolutionalNetworks) {
  auto images = synthetic_images(128);
  const auto cnn = tiny_residual_cnn(1);
  for (const std::string loss : {"hidden", "spatial_attention"}) {
    auto model = tiny_residual_cnn(2, {.width = 4});
    FakeContext context(cnn, {.train = &images});
    pass("losses: [" + loss + "]").run(model, context);
    const auto [first, last] = curve(context, "loss_" + loss);
    EXPECT_LT(last, 0.95 * first) << loss;
  }
}

TEST_F(DistillLayers, ResumesToTheSameBytesWithLearnedWeightsAndProjections) {
  const auto configured = pass("losses: [" + all + "], weighting: uncertainty");
  auto whole = student.clone(), killed = student.clone(), resumed = student.clone();
  FakeContext uninterrupted(teacher, {.train = &data}), context(teacher, {.train = &data});
  configured.run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(configured.run(killed, context), Killed);
  context.restart();
  configured.run(resumed, context);
  EXPECT_TRUE(equal_weights(whole, resumed));
  EXPECT_EQ(context.curve_values("weight_hidden"), uninterrupted.curve_values("weight_hidden"));
  EXPECT_NE(uninterrupted.curve_values("weight_hidden").back(), 0.5);
}

TEST_F(DistillLayers, WeightsAndTemperaturesMove) {
  auto model = student.clone();
  FakeContext context(teacher, {.train = &data});
  pass("losses: [{kd: {weight: 1, final_weight: 0, temperature: 4, final_temperature: 1}}, {hidden: {weight: 0, final_weight: 2}}]").run(model, context);
  const auto kd = context.curve_values("weight_kd"), hidden = context.curve_values("weight_hidden");
  ASSERT_EQ(kd.size(), 4U);  // at the last of 4 steps of each epoch, of 16
  EXPECT_NEAR(kd[0], 1 - 3 / 15.0, 1e-9);
  EXPECT_NEAR(kd[3], 0, 1e-9);
  EXPECT_NEAR(hidden[3], 2, 1e-9);
}

TEST_F(DistillLayers, SeveralTeachersWithInputsOfTheirOwn) {
  const Model other = tiny_transformer(5, {.layers = 3, .width = 16});
  for (const char* fusion : {"mean", "weighted", "confidence"}) {
    auto taught = student.clone();
    FakeContext each(teacher, {.train = &data});
    each.files.emplace("other.pt2", other);
    pass(std::string("losses: [kd, hidden], fusion: ") + fusion + ", teachers: [{weight: 3}, {path: /x/other.pt2, inputs: {ids: ids}}]").run(taught, each);
    const auto [first, last] = curve(each, "loss_hidden");
    EXPECT_LT(last, first) << fusion;
  }
}

// Token ids of the student, and those that a teacher reads in their place.
class TwoViews final : public TokenDataset {
 public:
  TwoViews() : TokenDataset(64, 1) { info_.other_names = {"rich_ids"}; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> seed) const override {
    Batch made = TokenDataset::batch(indices, seed);
    made.others = {made.inputs[0]};
    made.inputs[0] = at::zeros_like(made.inputs[0]);
    return made;
  }
};

TEST_F(DistillLayers, ATeacherReadsInputsTheStudentDoesNotTake) {
  TwoViews views;
  const Model same = tiny_transformer(3);
  const auto first_loss = [&](const std::string& teacher) {
    auto model = same.clone();
    FakeContext context(same, {.train = &views});
    pass("losses: [outputs], teachers: [" + teacher + "]").run(model, context);
    return curve(context, "loss_outputs").first;
  };
  EXPECT_LT(first_loss("{}"), 1e-12);
  EXPECT_GT(first_loss("{inputs: {ids: rich_ids}}"), 1e-4);
}

TEST_F(DistillLayers, TrainsWithQuantisationInTheLoop) {
  auto model = student.clone();
  FakeContext context(teacher, {.train = &data});
  const ConfiguredPass quantize(make_quantize_quantize(), "{mode: qat, epochs: 3, batch: 32, optimizer: {adam: {lr: 0.01}}, validate_every: 0, distill: {losses: [" + all + "]}}");
  EXPECT_EQ(quantize.check(model).size(), 0U);
  quantize.run(model, context);
  for (const char* name : {"loss_hidden", "loss_attention"}) {
    const auto [first, last] = curve(context, name);
    EXPECT_LT(last, 0.95 * first) << name;
  }
  EXPECT_EQ(count(model, "aten.scaled_dot_product_attention.default"), 2);
  EXPECT_GT(count(model, "aten.fake_quantize_per_tensor_affine.default"), 0);
  const auto problems = ConfiguredPass(make_quantize_quantize(), "{mode: qat, distill: {losses: [kd], mask: masc}}").check(student);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].place.pointer, "/distill/mask");
}

// Examples that differ from epoch to epoch.
class Augmented : public MemoryDataset {
 public:
  using MemoryDataset::MemoryDataset;
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> seed) const override {
    auto made = MemoryDataset::batch(indices, seed);
    if (seed) made.inputs[0] = made.inputs[0] + noise(made.inputs[0].sizes().vec(), *seed);
    return made;
  }
};

TEST(DistillCache, GivesTheSameStudentAndRunsTheTeacherOnce) {
  auto data = synthetic_classes(128);
  const Model teacher = tiny_mlp(1), student = tiny_mlp(2, {.hidden = 8});
  const TempFolder folder;
  const auto run = [&](const std::string& more, const Model& with) {
    auto model = student.clone();
    FakeContext context(with, {.train = &data});
    context.cache = folder.file("cache");
    ConfiguredPass(make_distill_logits(), "{epochs: 2, batch: 32, losses: [kd, {dist: {weight: 0.5}}]" + more + "}").run(model, context);
    // The teacher reports examples, the training steps.
    const auto teacher_calls = std::ranges::count_if(context.progress_calls, [&](const auto& call) { return call.second == data.size(); });
    return std::pair{std::move(model), teacher_calls};
  };
  const auto [plain, plain_calls] = run("", teacher);
  const auto [first, first_calls] = run(", cache: true", teacher);
  const auto [second, second_calls] = run(", cache: true", teacher);
  for (const auto& name : plain.weights.names()) EXPECT_TRUE(at::allclose(plain.weights.get(name), first.weights.get(name), 1e-4, 1e-5)) << name;
  EXPECT_TRUE(equal_weights(first, second));
  EXPECT_EQ(plain_calls, 0);
  EXPECT_EQ(first_calls, 4);  // batches
  EXPECT_EQ(second_calls, 0);
  run(", cache: true", tiny_mlp(3));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder.file("cache"))) ++files;
  EXPECT_EQ(files, 2U);  // another teacher, another file
}

TEST(DistillCache, RefusesWhatOneOutputCannotStandFor) {
  auto plain = synthetic_classes(64);
  Augmented data(plain.inputs(), plain.target());
  auto model = tiny_mlp(2);
  FakeContext context(tiny_mlp(1), {.train = &data});
  try {
    ConfiguredPass(make_distill_logits(), "{cache: true}").run(model, context);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(error.to_text().find("data.train is augmented"), std::string::npos);
  }
  EXPECT_THROW(ConfiguredPass(make_distill_logits(), "{cache: true, losses: [hidden]}"), Error);
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.to_text();
  }
  return "no error";
}

struct Mistake {
  const char* options;
  const char* message;
};

TEST_F(DistillLayers, MistakesAreFoundBeforeTraining) {
  const Model words = tiny_transformer(5, {.vocabulary = 13}), heads = tiny_transformer(6, {.heads = 4}), classes = tiny_transformer(6, {.classes = 4}), mlp = tiny_mlp();
  const Mistake mistakes[] = {
      {"losses: [{hidden: {layers: {'7': '0'}}}]", "there is no layer 7: hidden states were found for 2 layers"},
      {"losses: [{hidden: {layers: {'0': '9'}}}]", "in the teacher: there is no layer 9"},
      {"losses: [{hidden: {layers: {encoder.layre.0: '0'}}}]", "`encoder.layre.0` names no module"},
      {"losses: [{hidden: {layers: {'encoder.layer.*': '0'}}}]", "`encoder.layer.*` names 2 layers"},
      {"losses: [{attention: {layers: {classifier: '0'}}}]", "`classifier` names no module with attention"},
      {"losses: [hidden], mask: msak", "no input `msak`"},
      {"losses: [kd], outputs: [1]", "there is no output 1"},
      {"losses: [kd], teachers: [{path: words.pt2}]", "the vocabularies differ: the student's table for `ids` has 11 rows, the teacher's 13"},
      {"losses: [attention], teachers: [{path: heads.pt2}]", "attention needs as many heads"},
      {"losses: [kd], teachers: [{path: classes.pt2}]", "differ in shape"},
      {"losses: [kd], teachers: [{path: mlp.pt2}]", "the teacher's input `x` has no counterpart"},
      {"losses: [kd], teachers: [{inputs: {idds: ids}}]", "the teacher has no input `idds`"},
      {"losses: [kd], teachers: [{inputs: {ids: rich_ids}}]", "no input of the data is called `rich_ids`"},
      {"losses: [relation], teachers: [{path: heads.pt2}]", "set `heads`"},
      {"losses: [spatial_attention]", "spatial_attention needs feature maps"}};
  for (const auto& mistake : mistakes) {
    FakeContext context(teacher, {.train = &data});
    for (const auto& [name, model] : {std::pair{"words.pt2", &words}, {"heads.pt2", &heads}, {"classes.pt2", &classes}, {"mlp.pt2", &mlp}}) context.files.emplace(name, *model);
    const auto text = message_of([&] {
      auto model = student.clone();
      pass(mistake.options).run(model, context);
    });
    EXPECT_NE(text.find(mistake.message), std::string::npos) << mistake.options << "\n" << text;
    EXPECT_EQ(context.cancel_checks, 0);
  }
}

TEST_F(DistillLayers, NeedLayersAndAttention) {
  const Model mlp = tiny_mlp();
  const auto problems = [&](const std::string& options) {
    const auto found = pass(options).check(mlp);
    return found.empty() ? std::string() : found.front().message + " " + found.front().place.pointer;
  };
  EXPECT_EQ(problems("losses: [attention]"), "no attention found in the student /losses/0/attention");
  EXPECT_EQ(problems("losses: [labels, hidden]"), "no hidden states found in the student /losses/1/hidden");
  EXPECT_EQ(problems("losses: [{hidden: {layers: {fc1: fc1}}}]"), "");
  EXPECT_EQ(pass("losses: [attention, hidden, {relation: {layers: {'0': '0'}}}]").check(student).size(), 0U);
}

}  // namespace
}  // namespace dsc
