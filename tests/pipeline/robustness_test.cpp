// Corruptions and attacks of a recipe: what is measured, gated and refused.
#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/artifact.h"
#include "pipeline/gates.h"
#include "pipeline/plan.h"
#include "pipeline/runner.h"
#include "pipeline/tiny_recipe.h"
#include "support/error_of.h"

namespace dsc {
namespace {

using test::contains, test::error_of;

constexpr const char* kQuantize = "  - finetune: {epochs: 2, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n  - quantize: {mode: ptq}\n";

// The tiny network on pictures of bytes, of which each class is a pattern.
class TriedRecipe {
 public:
  TriedRecipe(const std::string& passes, const std::string& more, ScalarType input = ScalarType::f32) {
    const auto folder = [&](const std::string& name) { return files_.file(name); };
    write_pt2(input == ScalarType::f32 ? test::tiny_residual_cnn() : byte_model(), folder("model.pt2"));
    for (const auto& [name, examples, draw] : {std::tuple("train", 256, 0), std::tuple("eval", 64, 2)}) {
      const auto data = test::synthetic_images(examples, static_cast<std::uint64_t>(draw));
      const auto pixels = (data.inputs() * 25 + 128).round().clamp(0, 255).to(at::kByte);
      write_safetensors(folder(std::string(name) + ".safetensors"), {.tensors = {{"x", pixels}, {"label", data.target()}}, .metadata = {}});
    }
    test::spit(folder("recipe.yaml"), R"(version: 1
model: {path: model.pt2}
threads: 1
data:
  train: {format: tensors, path: train.safetensors, split: all}
  eval: {format: tensors, path: eval.safetensors, split: all}
)" + std::string(input == ScalarType::f32 ? "  normalize: {mean: [0.5, 0.5, 0.5], std: [0.1, 0.1, 0.1]}\n" : "") +
                                           more + "passes:\n" + passes);
    add_builtin_passes(table_);
  }
  Recipe load() const { return load_recipe({.path = files_.file("recipe.yaml"), .vars_files = {}, .overrides = {}}, table_); }
  std::string file(const std::string& name) const { return files_.file(name); }

 private:
  static Model byte_model() {
    test::ModelBuilder build(1);
    auto* x = build.node("aten._to_copy.default", {{"self", build.input("x", {3, 8, 8}, ScalarType::u8)}, {"dtype", ScalarType::f32}}, {3, 8, 8});
    return build.finish(build.linear(build.pool(x), "fc", 3, 4));
  }

  test::TempFolder files_;
  PassTable table_;
};

Report run_tried(const TriedRecipe& recipe, const std::string& out) { return run_recipe(recipe.load(), {.output_dir = recipe.file(out)}).report; }

double figure(const StepRecord& step, const std::string& name) {
  for (const auto& record : step.robustness_figures) {
    if (record.name == name) return record.value;
  }
  ADD_FAILURE() << "no figure " << name << " after " << step.name;
  return -1;
}

TEST(Robustness, IsMeasuredAfterEveryStepAndRepeats) {
  const std::string more = R"(evaluate:
  metrics: [top1, loss]
  robustness:
    - {gaussian_noise: {severities: [1, 5]}}
    - {contrast: {severities: [5]}}
    - {fgsm: {epsilon: 8}}
    - {pgd: {epsilon: 8, steps: 5}}
    - {pgd: {epsilon: 8, steps: 5, gradients_of: base, name: transferred, examples: 32}}
gates: {worst_top1: {max_drop: 100pp, min: 0}, pgd_loss: {max: 1000}, corrupted_top1: {min: 1.1}}
)";
  const TriedRecipe recipe(kQuantize, more);
  const auto report = run_tried(recipe, "out");
  ASSERT_EQ(report.steps.size(), 3U);
  for (const auto& step : report.steps) {
    ASSERT_EQ(step.robustness.size(), 6U) << step.name;
    double worst = 1, corrupted = 0;
    for (const auto& record : step.robustness) {
      worst = std::min(worst, record.metrics.at("top1"));
      if (record.severity > 0) corrupted += record.metrics.at("top1") / 3;
    }
    EXPECT_EQ(figure(step, "worst_top1"), worst);
    EXPECT_NEAR(figure(step, "corrupted_top1"), corrupted, 1e-12);
  }
  const auto &trained = report.steps[1], &quantised = report.steps[2];
  for (const auto* step : {&trained, &quantised}) {
    EXPECT_GT(figure(*step, "fgsm_loss"), step->metrics.at("loss")) << step->name;
    EXPECT_GT(figure(*step, "pgd_loss"), figure(*step, "fgsm_loss") * 0.9) << step->name;
    EXPECT_LE(figure(*step, "pgd_top1"), step->metrics.at("top1")) << step->name;
  }
  // Transferred: from the untrained base to the trained network they do less than its own.
  EXPECT_LT(figure(trained, "transferred_loss"), figure(trained, "pgd_loss"));

  std::map<std::string, bool> passed;
  for (const auto& gate : report.gates) passed[gate.metric + " " + gate.rule.substr(0, gate.rule.find(' '))] = gate.passed;
  EXPECT_TRUE(passed.at("worst_top1 max_drop"));
  EXPECT_TRUE(passed.at("worst_top1 min"));
  EXPECT_TRUE(passed.at("pgd_loss max"));
  EXPECT_FALSE(passed.at("corrupted_top1 min"));
  EXPECT_EQ(report.status, "failed");

  const auto again = run_tried(recipe, "again");
  for (std::size_t i = 0; i < report.steps.size(); ++i) {
    for (std::size_t j = 0; j < 6; ++j) EXPECT_EQ(report.steps[i].robustness[j].metrics, again.steps[i].robustness[j].metrics);
  }
  const auto text = test::slurp(recipe.file("out/report.md"));
  for (const char* part : {"## Robustness", "| mean of corruptions |", "| worst |", "| transferred |", "| gaussian_noise 5 |"}) EXPECT_TRUE(contains(text, part)) << part;
  const auto page = test::slurp(recipe.file("out/report.html"));
  EXPECT_TRUE(contains(page, "top1 under corruption")) << "no chart";
}

TEST(Robustness, LeavesOutStepsBetweenWhenTold) {
  const TriedRecipe recipe(kQuantize, "evaluate: {metrics: [top1], robustness: [{jpeg: {severities: [3]}}], robustness_steps: last}\n");
  const auto report = run_tried(recipe, "out");
  EXPECT_EQ(report.steps[0].robustness.size(), 1U);
  EXPECT_TRUE(report.steps[1].robustness.empty());
  EXPECT_EQ(report.steps[2].robustness.size(), 1U);
}

TEST(Robustness, AdversarialTrainingDefends) {
  const std::string evaluate = "evaluate: {metrics: [top1, loss], robustness: [{pgd: {epsilon: 6, step_size: 2}}]}\n";
  const auto trained = [&](const std::string& adversarial) {
    const TriedRecipe recipe("  - finetune: {epochs: 8, batch: 32, optimizer: {sgd: {lr: 0.05}}" + adversarial + "}\n", evaluate);
    return figure(run_tried(recipe, "out").steps.back(), "pgd_loss");
  };
  const double plain = trained(""), defended = trained(", adversarial: {pgd: {epsilon: 6, step_size: 3, steps: 3}}");
  EXPECT_LT(defended, 0.9 * plain);
}

struct Refused {
  const char* evaluate;
  const char* message;
  const char* place;
};
class RefusedRobustness : public testing::TestWithParam<Refused> {};

TEST_P(RefusedRobustness, IsNamedBeforeTheRun) {
  const TriedRecipe recipe(kQuantize, GetParam().evaluate);
  const auto error = error_of([&] { make_plan(recipe.load()); });
  EXPECT_TRUE(contains(error.what(), GetParam().message)) << error.what();
  EXPECT_TRUE(contains(error.what(), GetParam().place)) << error.what();
  EXPECT_EQ(error.problems().size(), 1U) << error.what();
  EXPECT_FALSE(error.problems().front().hint.empty()) << error.what();
}

INSTANTIATE_TEST_SUITE_P(Recipe, RefusedRobustness,
                         testing::Values(Refused{"evaluate: {metrics: [top1], robustness: [{jpeg: {severities: [0]}}]}\n", "0", "/evaluate/robustness/0/jpeg/severities/0"},
                                         Refused{"evaluate: {metrics: [top1], robustness: [{jpeg: {severities: [6]}}]}\n", "6", "/evaluate/robustness/0/jpeg/severities/0"},
                                         Refused{"evaluate: {metrics: [top1], robustness: [gausian_noise]}\n", "gaussian_noise", "/evaluate/robustness/0"},
                                         Refused{"evaluate: {metrics: [top1], robustness: [jpeg, typos]}\n", "`typos` is for text", "/evaluate/robustness/1"},
                                         Refused{"evaluate: {metrics: [top1], robustness: [{jpeg: {name: worst}}]}\n", "another figure", "/evaluate/robustness/0"},
                                         Refused{"evaluate: {metrics: [top1], robustness: [jpeg]}\ngates: {pgd_top1: {min: 0.1}}\n", "pgd_top1", "/gates/pgd_top1"},
                                         Refused{"evaluate: {metrics: [top1], robustness: [jpeg]}\ngates: {worst_top1: {max_drop: 3}}\n", "needs a unit", "/gates/worst_top1/max_drop"}),
                         [](const auto& info) { return std::to_string(info.index); });

TEST(Robustness, AttacksNeedPicturesOfFloatingPointNumbers) {
  const char* evaluate = "evaluate: {metrics: [top1], robustness: [jpeg, fgsm]}\n";
  const TriedRecipe bytes("  - finetune: {epochs: 1}\n", evaluate, ScalarType::u8);
  const auto error = error_of([&] { make_plan(bytes.load()); });
  EXPECT_TRUE(contains(error.what(), "`fgsm` follows gradients to the pixels, and the model takes them as integers")) << error.what();
  EXPECT_TRUE(contains(error.what(), "/evaluate/robustness/1")) << error.what();

  const test::TinyRecipe numbers("  - finetune: {epochs: 1}\n", {}, "evaluate: {metrics: [top1], robustness: [pgd]}\nthreads: 1\n");
  const auto no_pictures = error_of([&] { make_plan(numbers.load()); });
  EXPECT_TRUE(contains(no_pictures.what(), "holds no pictures")) << no_pictures.what();
}

TEST(Robustness, AdversarialTrainingOnNumbersIsRefusedWithItsPlace) {
  const test::TinyRecipe recipe("  - finetune: {epochs: 1, adversarial: fgsm}\n");
  const auto error = error_of([&] { make_plan(recipe.load()); });
  EXPECT_TRUE(contains(error.what(), "holds no pictures")) << error.what();
  EXPECT_TRUE(contains(error.what(), "/passes/0/finetune/adversarial")) << error.what();
}

}  // namespace
}  // namespace dsc
