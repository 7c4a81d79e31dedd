#include "pipeline/recipe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/fields_schema.h"
#include "core/fields_write.h"
#include "core/file.h"
#include "core/random.h"
#include "passes/builtin.h"
#include "pipeline/recipe_support.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

class RecipeTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("dsc_recipe_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    write_file_atomically((folder_ / name).string(), text);
    return (folder_ / name).string();
  }
  Recipe load(const std::string& text, std::vector<Override> overrides = {}, const PassTable& table = test::recipe_passes()) {
    return load_recipe({.path = write("r.yaml", text), .overrides = std::move(overrides)}, table);
  }
  fs::path folder_;
};

constexpr const char* kExample = R"(
version: 1
vars: {cifar: "${env:DSC_NO_SUCH_VARIABLE:-/data}/cifar10", cut: 0.58}
model: {path: resnet56.pt2, weights: nightly/2026-11-21.safetensors}
data:
  train: {format: cifar10, path: "${cifar}", split: "train[:-5000]", augment: [{random_crop: {padding: 4}}, horizontal_flip]}
  valid: {format: cifar10, path: "${cifar}", split: "train[-5000:]"}
  eval:  {format: cifar10, path: "${cifar}", split: test}
  normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
evaluate: {metrics: [top1], latency: {engine: openvino, batch: [1, 64]}}
passes:
  - prune: {importance: l1, reduce: {macs: "${cut}"}, steps: 5, schedule: cubic, finetune_each: {epochs: 1}}
  - finetune: {epochs: 20, optimizer: {sgd: {lr: 0.05}}}
  - quantize: {mode: qat, epochs: 5, weights: {bits: 8, per_channel: true}, activations: {bits: 8, momentum: 0.99}}
deploy: {openvino: {device: CPU}}
gates: {top1: {max_drop: 0.5pp}, size: {min_ratio: 8}, latency_p50: {min_speedup: 5}}
)";

TEST_F(RecipeTest, LoadsAWholeExperiment) {
  const auto recipe = load(kExample);
  EXPECT_EQ(recipe.name, "r");
  EXPECT_EQ(recipe.model.path.path, (folder_ / "resnet56.pt2").string());
  EXPECT_EQ(recipe.data.train->path.path, "/data/cifar10");
  EXPECT_EQ(recipe.data.train->augment.size(), 2u);
  ASSERT_EQ(recipe.passes.steps.size(), 3u);
  EXPECT_EQ(recipe.passes.steps[0].name, "prune");
  EXPECT_EQ(recipe.passes.steps[0].info, test::recipe_passes().find("prune"));
  EXPECT_EQ(recipe.evaluate.latency->batch, (std::vector<std::int64_t>{1, 64}));
  EXPECT_EQ(recipe.gates.at("top1").max_drop->unit, "pp");
  EXPECT_EQ(recipe.deploy.openvino->device, "CPU");
  EXPECT_TRUE(recipe.notes.empty());
}

TEST_F(RecipeTest, TheRealPassesAcceptTheExampleToo) {
  PassTable table;
  add_builtin_passes(table);
  const auto recipe = load(kExample, {}, table);
  EXPECT_EQ(load(dump_recipe(recipe), {}, table).passes.steps.size(), 3u);
}

TEST_F(RecipeTest, ResolvedRecipeLoadsToTheSameText) {
  const auto resolved = dump_recipe(load(kExample));
  EXPECT_NE(resolved.find("      reduce:\n        channels: null\n        macs: 0.58\n"), std::string::npos) << resolved;
  EXPECT_EQ(dump_recipe(load(resolved)), resolved);
  write("r.json", dump_recipe_json(load(kExample)));
  EXPECT_EQ(dump_recipe(load_recipe({.path = (folder_ / "r.json").string()}, test::recipe_passes())), resolved);
}

// A metric is known by one text to gates, reports and other runs.
TEST_F(RecipeTest, MetricsHaveSettings) {
  const std::string head = "version: 1\nmodel: {path: m.pt2}\ndata: {eval: {format: series, path: d, split: test}}\n";
  const auto recipe =
      load(head +
           "evaluate: {metrics: [top1, dtw, {dtw: {band: 10}}, {false_alarms: {recall: 0.98, threshold: 0.5}}]}\ngates: {dtw(band=10): {max: 3}}\n");
  EXPECT_EQ(recipe.evaluate.metrics, (std::vector<std::string>{"top1", "dtw", "dtw(band=10)", "false_alarms(recall=0.98)"}));
  EXPECT_EQ(load(dump_recipe(recipe)).evaluate.metrics, recipe.evaluate.metrics);
  EXPECT_THROW(load(head + "evaluate: {metrics: [{dtw: {radius: 10}}]}\n"), Error);
  EXPECT_THROW(load(head + "evaluate: {metrics: [{top1: {band: 10}}]}\n"), Error);
  EXPECT_THROW(load(head + "evaluate: {metrics: [dtw, {dtw: {band: 0}}]}\n"), Error);  // twice the same
}

TEST_F(RecipeTest, MetricsCanBeOfFurtherLabels) {
  const std::string head =
      "version: 1\nmodel: {path: m.pt2}\ndata: {eval: {format: tensors, path: d, split: test, labels: {price: prices, kind: \"\"}}}\n";
  const auto recipe = load(head + "evaluate: {metrics: [top1, {top1: {label: kind}}, {mse: {label: price}}]}\ngates: {mse(label=price): {max: 3}}\n");
  EXPECT_EQ(recipe.evaluate.metrics, (std::vector<std::string>{"top1", "top1(label=kind)", "mse(label=price)"}));
  const auto resolved = dump_recipe(recipe);
  EXPECT_NE(resolved.find("    - top1\n    - top1:\n        label: kind\n"), std::string::npos) << resolved;
  EXPECT_EQ(dump_recipe(load(resolved)), resolved);
  EXPECT_THROW(load(head + "evaluate: {metrics: [{top1: {label: sort}}]}\n"), Error);
  EXPECT_THROW(load(head + "evaluate: {metrics: [{agreement: {label: kind}}]}\n"), Error);
}

TEST_F(RecipeTest, PathsStartAtTheFileThatNamesThem) {
  write("sub/base.yaml", "version: 1\nmodel: {path: a.pt2}\nvars: {w: w.safetensors}\n");
  const auto recipe = load("include: sub/base.yaml\nmodel: {weights: \"${w}\"}\n", {{"output_dir", "out", "--output-dir"}});
  EXPECT_EQ(recipe.model.path.path, (folder_ / "sub/a.pt2").string());
  EXPECT_EQ(recipe.model.weights.path, (folder_ / "w.safetensors").string());
  EXPECT_EQ(recipe.output_dir.path, absolute_path("out"));
  ASSERT_EQ(recipe.overrides.size(), 1u);
  EXPECT_EQ(recipe.overrides[0].origin, "--output-dir");
  EXPECT_EQ(recipe.files.size(), 2u);
}

TEST_F(RecipeTest, StepsGetDistinctNames) {
  const auto recipe = load("version: 1\nmodel: {path: m.pt2}\npasses: [fuse, {fuse: {name: again}}, fuse, {fuse: {allow_empty: true}}]\n");
  std::string names;
  for (const auto& step : recipe.passes.steps) names += step.name + (step.allow_empty ? "! " : " ");
  EXPECT_EQ(names, "fuse again fuse_2 fuse_3! ");
}

TEST_F(RecipeTest, WithoutDataNothingIsEvaluatedAndANoteSaysSo) {
  const auto recipe = load("version: 1\nmodel: {path: m.pt2}\n");
  EXPECT_TRUE(recipe.evaluate.metrics.empty());
  ASSERT_EQ(recipe.notes.size(), 1u);
  EXPECT_TRUE(load(dump_recipe(recipe)).notes.empty());  // the resolved recipe names no metric
}

TEST_F(RecipeTest, KnowsWhereValuesStand) {
  const auto recipe = load("version: 1\nmodel: {path: m.pt2}\npasses:\n  - fuse\n  - prune:\n      reduce: {macs: 0.5}\n");
  EXPECT_EQ(recipe.place_of("/model/path").line, 2);
  EXPECT_EQ(recipe.place_of("/passes/1/prune/reduce/macs").line, 6);
  EXPECT_EQ(recipe.place_of("/passes/1/prune/steps").line, 6);  // a default: where the pass is
  EXPECT_EQ(recipe.place_of("/passes/0/fuse").line, 4);
  EXPECT_EQ(recipe.place_of("/passes/10").line, 4);
  std::vector<Problem> problems = {{"x", {.pointer = "/model/path"}, ""}, {"y", {.file = "other", .pointer = "/a"}, ""}};
  add_places(recipe, problems);
  EXPECT_EQ(problems[0].place.to_string(), (folder_ / "r.yaml").string() + ":2:15 (/model/path)");
  EXPECT_EQ(problems[1].place.file, "other");
}

TEST_F(RecipeTest, StarterRecipeLoadsAndItsCommentsAreOptions) {
  PassTable table;
  add_builtin_passes(table);
  for (const auto* passes : std::vector<const PassTable*>{&table, &test::recipe_passes()}) {
    const auto text = starter_recipe(*passes);
    const auto recipe = load(text, {}, *passes);
    EXPECT_EQ(recipe.passes.steps.size(), 3u);
    for (const auto& note : recipe.notes) EXPECT_NE(note.find("bf16"), std::string::npos) << note;  // what `auto` means on this machine
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 200u) << line;
  }
}

// One to three random edits: a character changed, inserted or removed, a line removed, doubled or indented.
std::string damage(std::string text, Random& random) {
  static const std::string kCharacters = "{}[]:,-#&*!|>'\"%@`$ \n\t~0a\xC3\\";
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bound))); };
  for (auto edits = 1 + random.below(3); edits > 0; --edits) {
    const auto at = below(text.size());
    const auto line = text.rfind('\n', at) + 1, end = std::min(text.find('\n', at), text.size() - 1) + 1;
    switch (random.below(6)) {
      case 0:
        text[at] = kCharacters[below(kCharacters.size())];
        break;
      case 1:
        text.insert(at, 1, kCharacters[below(kCharacters.size())]);
        break;
      case 2:
        text.erase(at, 1 + below(4));
        break;
      case 3:
        text.erase(line, end - line);
        break;
      case 4:
        text.insert(line, text.substr(line, end - line));
        break;
      default:
        text.insert(line, 1 + below(3), ' ');
    }
    if (text.empty()) text = " ";
  }
  return text;
}

TEST_F(RecipeTest, DamagedRecipesGiveErrorsWithPlacesAndNothingElse) {
  Random random(3);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    const auto text = damage(kExample, random);
    try {
      const auto recipe = load(text);
      ASSERT_EQ(dump_recipe(load(dump_recipe(recipe))), dump_recipe(recipe)) << text;
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(exit_status(error.code()), 2) << error.to_text() << text;
      for (const auto& problem : error.problems()) {
        ASSERT_FALSE(problem.message.empty());
        ASSERT_FALSE(problem.place.file.empty()) << problem.message << text;
      }
    }
  }
  EXPECT_GT(refused, 200);
}

TEST_F(RecipeTest, SchemaCoversEverySectionAndPass) {
  PassTable table;
  add_builtin_passes(table);
  const auto schema = nlohmann::json::parse(recipe_schema(table));
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_TRUE(schema["$defs"].contains("expression"));
  Recipe recipe;
  recipe.passes.table = &table;
  for (const auto& entry : write_fields(recipe).entries) EXPECT_TRUE(schema["properties"].contains(entry.key)) << entry.key;
  for (const auto* key : {"vars", "include"}) EXPECT_TRUE(schema["properties"].contains(key)) << key;
  const auto items = schema["properties"]["passes"]["anyOf"][0]["items"].dump();
  for (const auto& pass : table.all()) EXPECT_NE(items.find("\"" + pass->id + "\""), std::string::npos) << pass->id;
}

TEST_F(RecipeTest, EveryPassDocumentsAllItsOptions) {
  PassTable table;
  add_builtin_passes(table);
  ASSERT_FALSE(table.all().empty());
  for (const auto& pass : table.all()) {
    const auto options = pass->make_options();
    for (const auto& row : describe_fields([&](FieldVisitor& visit) { pass->fields(options.get(), visit); })) {
      EXPECT_FALSE(row.text.empty()) << pass->id << " " << row.name;
    }
    EXPECT_FALSE(pass->summary.empty()) << pass->id;
  }
}

}  // namespace
}  // namespace dsc
