// Pruning as users meet it: mistakes named before anything is trained, groups shown, sensitivity measured and kept.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

class PruneMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(PruneMistakes, AreNamedWithTheirLineBeforeAnyTraining) { expect_named_before_training(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    All, PruneMistakes,
    testing::Values(
        Mistake{"  - prune: {reduce: {macs: 1.5}}\n", "`macs`: the number 1.5 is out of range"},
        Mistake{"  - prune: {reduce: {channels: -0.1}}\n", "`channels`: the number -0.1 is out of range"},
        Mistake{"  - prune: {reduce: {macs: 0.5, bytes: 0.5}}\n", "exactly one of channels, macs, parameters, bytes, latency; found 2"},
        Mistake{"  - prune: {reduce: {macs: 0.9}, min_channels: 6}\n", "a reduction of 0.900 cannot be reached: at most"},
        Mistake{"  - prune: {reduce: {latency: 0.5}}\n", "`prune` measures latency, and there is no `evaluate.latency`"},
        Mistake{"  - prune: {reduce: {macs: 0.5}, ignore: [layer7.**]}\n", "`layer7.**` matches no module with prunable channels"},
        Mistake{"  - prune: {reduce: {macs: 0.5}, layers: {fc: 0.5}}\n", "fc.weight dimension 0 stays because: output of the model"},
        Mistake{"  - prune: {reduce: {macs: 0.5}, layers: {conv1: 1.2}}\n", "1.2"},
        Mistake{"  - prune: {reduce: {macs: 0.5}, ignore: ['**']}\n", "nothing can be pruned: every group is ignored"},
        Mistake{"  - prune: {reduce: {macs: 0.5}, sparsify: {}, importance: random}\n", "sparsify does nothing for importance: random"},
        Mistake{"  - prune: {reduce: {macs: 0.5}, finetune_each: {}, distill_each: {}}\n", "finetune_each and distill_each exclude each other"},
        Mistake{"  - low_rank: {energy: 0.9, macs: 0.5}\n", "exactly one of energy, macs, rank; found 2"},
        Mistake{"  - low_rank: {energy: 0.9, skip: [nothing]}\n", "`nothing` matches nothing that this pass can change"},
        Mistake{"  - drop_blocks: {blocks: [layer1.7]}\n", "`layer1.7` matches nothing that this pass can change"},
        Mistake{"  - drop_blocks: {keep: [0, 5]}\n", "there is no block 5: the model has 1, counted from 0"},
        Mistake{"  - drop_blocks: {count: 9}\n", "`count` 9 is more than the 1 blocks that may go"},
        Mistake{"  - group_convolutions: {groups: 7}\n", "no convolution can be split into 7 groups"},
        Mistake{"  - sparsify_attention: {window: 4}\n", "the model has no self-attention"}));

TEST(PruneMistakes, APinnedLayerMayBeIgnored) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - prune: {reduce: {macs: 0.5}, ignore: [fc]}\n");
  EXPECT_EQ(run.run("out").status, 0);
}

TEST(Inspect, ShowsGroupsAndWhatIsPinned) {
  const TinyRun run;
  const auto text = run_program("inspect " + run.file("model.pt2") + " --members");
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "layer2.0.conv1.weight[0] (makes)")) << text.out;
  EXPECT_TRUE(contains(text.out, "fc.weight[0]")) << text.out;
  EXPECT_TRUE(contains(text.out, "output of the model")) << text.out;
  const auto json = nlohmann::json::parse(run_program("inspect " + run.file("model.pt2") + " --groups --json").out);
  ASSERT_EQ(json.at("groups").size(), 4U);
  const auto& first = json.at("groups")[0];
  EXPECT_EQ(first.at("name"), "conv1");
  EXPECT_EQ(first.at("kind"), "channels");
  EXPECT_EQ(first.at("channels"), 8);
  EXPECT_EQ(first.at("macs"), 8 * 3 * 9 * 64 + 8 * 8 * 9 * 64);  // conv1 and layer1.0.conv2 make these channels
  EXPECT_EQ(json.at("kept").size(), 2U);
}

TEST(Sense, MeasuresOncePrintsAndFeedsThePass) {
  const TinyRun run(tiny_recipe_head() +
                    "evaluate: {metrics: [top1]}\npasses:\n  - prune: {reduce: {macs: 0.4}, scope: sensitivity, sensitivity: {shares: [0.25, 0.5], "
                    "table: sense.json}}\n");
  const auto sense = [&](const std::string& more) { return run_program("-q sense " + run.file("recipe.yaml") + " --threads 1 --cache " + run.file("cache") + " " + more); };
  spit(run.file("sense.json"), "");
  const auto json = sense("--json");
  ASSERT_EQ(json.status, 0) << json.err;
  const auto table = nlohmann::json::parse(json.out);
  EXPECT_EQ(table.at("pass"), "prune");
  EXPECT_EQ(table.at("points").size(), 8U);
  const auto files = [&] { return std::distance(std::filesystem::directory_iterator(run.file("cache")), std::filesystem::directory_iterator()); };
  EXPECT_EQ(files(), 9);  // and the whole model
  const auto text = sense("");
  EXPECT_TRUE(contains(text.out, "share cut 0.25")) << text.out << text.err;
  EXPECT_EQ(files(), 9);
  ASSERT_EQ(sense("--set passes.0.prune.sensitivity.shares=[0.25,0.5,0.75]").status, 0);
  EXPECT_EQ(files(), 13);  // only what is new
  spit(run.file("sense.json"), json.out);
  const auto pruned = run.run("out");
  EXPECT_EQ(pruned.status, 0) << pruned.err;
}

TEST(Sense, SaysWhatItCannotMeasure) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 1}\n");
  const auto none = run_program("-q sense " + run.file("recipe.yaml"));
  EXPECT_EQ(none.status, 2);
  EXPECT_TRUE(contains(none.err, "no step whose sensitivity can be measured")) << none.err;
}

TEST(Plan, TakesLatencyAsProportionalToMultiplyAccumulates) {
  const TinyRun run(tiny_recipe_head() + "evaluate: {metrics: [top1], latency: {engine: libtorch, batch: [64]}}\npasses:\n  - prune: {reduce: {latency: 0.4}}\n");
  const auto plan = nlohmann::json::parse(run_program("plan --json " + run.file("recipe.yaml")).out);
  EXPECT_NEAR(plan.at("steps")[1].at("macs").get<double>(), 0.6 * plan.at("steps")[0].at("macs").get<double>(), 0.02 * plan.at("steps")[0].at("macs").get<double>());
}

}  // namespace
}  // namespace dsc::test
