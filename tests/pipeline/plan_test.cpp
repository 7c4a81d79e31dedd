// The rehearsal: each step meets the model that the steps before it leave, and trainings tell how long they would take.
#include "pipeline/plan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "exec/native_bf16.h"
#include "pipeline/tiny_recipe.h"

namespace dsc {
namespace {

using test::contains, test::StubPass, test::TinyRecipe;

std::string refusal(const TinyRecipe& recipe) {
  try {
    make_plan(recipe.load());
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Plan, StepsAreCheckedOnTheModelTheyFind) {
  EXPECT_EQ(refusal(TinyRecipe("  - low_rank: {rank: 0.5, only: [fc]}\n  - finetune: {epochs: 1, batch: 64, train_only: [fc.0.weight]}\n")), "")
      << "the weight that low_rank makes is there by then";
  const auto gone = refusal(TinyRecipe("  - drop_blocks: {blocks: [add]}\n  - finetune: {epochs: 1, batch: 64, freeze: ['layer1.0.**']}\n"));
  EXPECT_TRUE(contains(gone, "layer1.0")) << "the block is gone by then: " << gone;
  EXPECT_TRUE(contains(gone, "/passes/1/finetune")) << gone;
}

TEST(Plan, DataThatTheRecipeLacksIsNamed) {
  const StubPass reader("reader", [](Model&, PassContext& context) {
    context.data(Split::calibration);
    return PassResult{.changed = true};
  });
  EXPECT_TRUE(contains(refusal(TinyRecipe("  - reader\n", {reader})), "data.calibration"));
}

TEST(Plan, TellsHowLongEveryTrainingTakes) {
  // 256 examples in batches of 32: 8 steps an epoch.
  const TinyRecipe recipe(
      "  - finetune: {epochs: 3, batch: 32}\n"
      "  - fuse\n"
      "  - prune: {importance: l1, reduce: {macs: 0.3}, steps: 2, finetune_each: {epochs: 1, batch: 32}}\n"
      "  - distill: {epochs: 2, batch: 64, accumulate: 2}\n"
      "  - quantize: {mode: qat, epochs: 1.5, batch: 32, distill: {losses: [kd]}}\n");
  const auto plan = make_plan(recipe.load());
  ASSERT_EQ(plan.steps.size(), 6U);
  const std::vector<std::int64_t> steps = {0, 24, 0, 16, 4, 12};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(plan.steps[i].training_steps, steps[i]) << plan.steps[i].name;
    EXPECT_EQ(plan.steps[i].training_seconds > 0, steps[i] > 0) << plan.steps[i].name;
  }
  EXPECT_TRUE(contains(plan_text(plan), "24 training steps, about "));
  const auto json = nlohmann::json::parse(plan_json(plan));
  EXPECT_EQ(json.at("steps").at(1).at("training_steps"), 24);
  EXPECT_GT(json.at("steps").at(1).at("training_seconds").get<double>(), 0);
}

TEST(Plan, EmulatedBf16IsAWarningWithItsCost) {
  for (const auto& [bf16, expected] : {std::pair{"true", !has_native_bf16("cpu")}, std::pair{"false", false}, std::pair{"auto", false}}) {
    const auto plan = make_plan(TinyRecipe("  - finetune: {epochs: 1, batch: 32, bf16: " + std::string(bf16) + "}\n").load());
    ASSERT_EQ(plan.steps[1].warnings.size(), expected ? 1U : 0U) << bf16;
    if (expected) {
      EXPECT_TRUE(contains(plan.steps[1].warnings[0], " times)")) << plan.steps[1].warnings[0];
    }
  }
}

TEST(LoadRecipe, AutomaticBf16IsResolvedWhereverAPassHasIt) {
  const TinyRecipe recipe(
      "  - finetune: {epochs: 1}\n"
      "  - distill: {epochs: 1, bf16: true}\n"
      "  - prune: {reduce: {macs: 0.3}, finetune_each: {bf16: auto}, sparsify: {losses: [labels], bf16: false}}\n");
  const auto loaded = recipe.load();
  const auto json = nlohmann::json::parse(dump_recipe_json(loaded));
  const bool native = has_native_bf16("cpu");
  EXPECT_EQ(json.at("passes").at(0).at("finetune").at("bf16"), native);
  EXPECT_EQ(json.at("passes").at(1).at("distill").at("bf16"), true);
  EXPECT_EQ(json.at("passes").at(2).at("prune").at("finetune_each").at("bf16"), native);
  EXPECT_EQ(json.at("passes").at(2).at("prune").at("sparsify").at("bf16"), false);
  ASSERT_EQ(loaded.notes.size(), 1U);
  EXPECT_TRUE(contains(loaded.notes[0], native ? "in bf16" : "in f32")) << loaded.notes[0];
}

TEST(LoadRecipe, SaysNothingOfBf16WhereNothingTrains) {
  EXPECT_TRUE(TinyRecipe("  - quantize: {mode: ptq, calibration: {samples: 8}}\n").load().notes.empty());
}

}  // namespace
}  // namespace dsc
