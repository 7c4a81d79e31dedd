#include "pipeline/baseline_rules.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/recipe_support.h"
#include "support/program.h"

namespace dsc {
namespace {

TEST(BaselineRules, OfTheCommandLine) {
  BaselineRules rules;
  add_rule(rules, "top1: {max_drop: 0.3pp}");
  add_rule(rules, "latency_p50: {max_growth: 5%}");
  add_rule(rules, "top1: {max_drop: 1%}");
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_EQ(rules.at("top1").max_drop->value, 1);
  EXPECT_EQ(rules.at("top1").max_drop->unit, "%");
  EXPECT_EQ(rules.at("latency_p50").max_growth->value, 5);
  for (const auto* wrong : {"top1", "top1: {}", "top1: {max_dorp: 1pp}", "top1: {max_drop: -1pp}", "[", "- top1"}) EXPECT_THROW(add_rule(rules, wrong), Error) << wrong;
}

TEST(BaselineRules, AreWrittenIntoTheResolvedRecipeAndItsSchemaKnowsThem) {
  const test::TempFolder folder;
  test::spit(folder.file("r.yaml"), "version: 1\nmodel: {path: m.pt2}\ndata: {eval: {format: cifar10, path: d, split: test}}\n"
                                    "gates: {top1: {min: 0.5}, baseline: {top1: {max_drop: 0.3pp}, size: {max_growth: 1%}}}\n");
  const auto recipe = load_recipe({.path = folder.file("r.yaml"), .vars_files = {}, .overrides = {}}, test::recipe_passes());
  EXPECT_EQ(recipe.gates.size(), 1U);
  EXPECT_EQ(recipe.baseline_gates.at("size").max_growth->value, 1);
  const auto written = nlohmann::json::parse(dump_recipe_json(recipe)).at("gates");
  EXPECT_EQ(written.at("baseline").at("top1").at("max_drop"), "0.3pp");
  EXPECT_EQ(written.at("top1").at("min"), 0.5);
  const auto gates = nlohmann::json::parse(recipe_schema(test::recipe_passes())).at("properties").at("gates").dump();
  EXPECT_NE(gates.find("max_growth"), std::string::npos);
}

}  // namespace
}  // namespace dsc
