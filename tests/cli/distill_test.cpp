// Distillation as users meet it: mistakes named before anything is trained, a student made and taught in one recipe.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

class DistillMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(DistillMistakes, AreNamedWithTheirLineBeforeAnyTraining) { expect_named_before_training(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    All, DistillMistakes,
    testing::Values(
        Mistake{"  - distill: {losses: []}\n", "`losses` must name at least one loss"},
        Mistake{"  - distill: {losses: [{kd: {wieght: 1}}]}\n", "did you mean `weight`?"},
        Mistake{"  - distill: {losses: [{kd: {weight: 0}}]}\n", "every loss has weight 0"},
        Mistake{"  - distill: {losses: [attention]}\n", "no attention found in the student"},
        Mistake{"  - distill: {losses: [{hidden: {layers: {layer9: layer1}}}]}\n", "`layer9` names no module"},
        Mistake{"  - distill: {losses: [{hidden: {layers: {conv1: layer9}}}]}\n", "in the teacher: `layer9` names no module"},
        Mistake{"  - distill: {losses: [{hidden: {layers: {'0': '5'}}}]}\n", "there is no layer 5: hidden states were found for 2 layers"},
        Mistake{"  - distill: {losses: [kd], mask: attention_mask}\n", "the student has no input `attention_mask`"},
        Mistake{"  - distill: {losses: [kd], outputs: [3]}\n", "there is no output 3"},
        Mistake{"  - distill: {losses: [hidden], cache: true}\n", "the loss `hidden` reads inner values"},
        Mistake{"  - distill: {losses: [kd], teachers: [{weight: 0}]}\n", "every teacher has weight 0"},
        Mistake{"  - prune: {reduce: {macs: 0.3}, distill_each: {losses: [relation]}}\n", "no attention found in the student"},
        Mistake{"  - quantize: {mode: qat, distill: {losses: [kd], outputs: [1]}}\n", "there is no output 1"},
        Mistake{"  - finetune: {staged: {}, validate_every: 0}\n", "staged weight decay needs validate_every above 0"},
        Mistake{"  - finetune: {lora: {}, freeze: [conv1]}\n", "lora excludes staged, freeze and train_only"},
        Mistake{"  - finetune: {lora: {select: [relu]}}\n", "`relu` matches no linear layer or convolution"}));

// What the student shows, what only the teacher shows, and both below other options.
TEST(Distill, MistakesArePlacedAmongTheStepsOptions) {
  const auto error_of = [](const std::string& passes) { return run_program("validate " + TinyRun(recipe_with(passes)).file("recipe.yaml")).err; };
  EXPECT_TRUE(contains(error_of("  - distill: {losses: [kd, {hidden: {layers: {conv1: layer9}}}]}\n"), "(/passes/1/distill/losses/1/hidden/layers/conv1)"));
  EXPECT_TRUE(contains(error_of("  - distill: {losses: [kd], outputs: [3]}\n"), "(/passes/1/distill/outputs)"));
  EXPECT_TRUE(contains(error_of("  - quantize: {mode: qat, distill: {losses: [{hidden: {layers: {conv1: layer9}}}]}}\n"),
                       "(/passes/1/quantize/distill/losses/0/hidden/layers/conv1)"));
}

// Training on data.more gives what the same examples as data.train give, other steps keep data.train. Files are
// compared without their headers, which hold the recipes.
TEST(Distill, StepsTrainOnTheDataTheyName) {
  const std::string passes = R"(
passes:
  - distill: {epochs: 1, batch: 32, losses: [outputs], teachers: [{path: model.pt2}], optimizer: {sgd: {lr: 0.1, weight_decay: 0.1}}ON}
)";
  const auto recipe = [&](const std::string& train, const std::string& more, const std::string& on) {
    std::string text = passes;
    text.replace(text.find("ON"), 2, on);
    const auto section = [](const std::string& name, const std::string& file) { return name + ": {format: tensors, path: " + file + ".safetensors, split: all, inputs: [x]}\n"; };
    return "version: 1\nmodel: {path: model.pt2}\ndata:\n  " + section("train", train) + "  " + section("eval", "eval") + more + "evaluate: {metrics: [top1]}" + text;
  };
  const std::string more = "  more:\n    other: {format: tensors, path: train.safetensors, split: all, inputs: [x]}\n";
  const auto weights_of = [](const std::string& text) {
    const TinyRun run(text);
    const auto result = run.run("out");
    EXPECT_EQ(result.status, 0) << result.err;
    const std::string file = slurp(run.file("out/model.safetensors"));
    std::uint64_t header = 0;
    std::memcpy(&header, file.data(), sizeof header);
    return file.substr(sizeof header + header);
  };
  const auto wanted = weights_of(recipe("train", "", ""));
  EXPECT_TRUE(weights_of(recipe("valid", more, ", train_on: other")) == wanted);
  EXPECT_FALSE(weights_of(recipe("valid", more, "")) == wanted);
}

TEST(Distill, MakesAndTeachesAStudentInOneRecipe) {
  const TinyRun run(tiny_recipe_head() + R"(evaluate: {metrics: [top1]}
passes:
  - drop_blocks: {blocks: [add]}
  - distill: {epochs: 4, batch: 32, losses: [{kd: {temperature: 4}}, {hidden: {layers: {conv1: conv1}}}], teachers: [{path: model.pt2}, {}]}
  - finetune: {epochs: 1, batch: 32, staged: {}}
  - quantize: {mode: qat, epochs: 1, batch: 32, distill: {losses: [kd, labels]}}
)");
  const auto result = run.run("out");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto steps = nlohmann::json::parse(slurp(run.file("out/report.json"))).at("steps");
  EXPECT_EQ(steps.size(), 5U);
  EXPECT_FALSE(steps.at(2).at("curves").empty());
}

}  // namespace
}  // namespace dsc::test
