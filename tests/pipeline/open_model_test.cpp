// What a model becomes before passes work on it.
#include "pipeline/open_model.h"

#include <gtest/gtest.h>

#include "ops/text_model.h"

namespace dsc {
namespace {

// Tied: one tensor under two names, as torch.export writes it.
Model tied_model() {
  return test::text_model(R"(
  param %e "embed.weight": f32[4, 3]
  param %h "head.weight": f32[4, 3]
  buffer %n "count": i64[]
  input %x: f32[s0{2}, 3]
  %y: f32[s0{2}, 4] = aten.linear.default(input=%x, weight=%h)
  output %y
)");
}

TEST(BringIntoForm, LeavesOutParametersThatNothingReads) {
  Model model = tied_model();
  EXPECT_EQ(bring_into_form(model, true), (std::vector<std::string>{"parameters that nothing reads are left out: embed.weight"}));
  EXPECT_FALSE(model.weights.has("embed.weight"));
  EXPECT_TRUE(model.weights.has("head.weight"));
  EXPECT_TRUE(model.weights.has("count"));
  EXPECT_TRUE(bring_into_form(model, true).empty());
}

TEST(BringIntoForm, KeepsThemWhereNoPassFollows) {
  Model model = tied_model();
  EXPECT_TRUE(bring_into_form(model, false).empty());
  EXPECT_TRUE(model.weights.has("embed.weight"));
}

}  // namespace
}  // namespace dsc
