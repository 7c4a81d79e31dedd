#include "core/expression.h"

#include <gtest/gtest.h>

#include "dscompress/error.h"

namespace dsc {
namespace {

double value_of(const std::string& name) {
  if (name == "cut") return 0.5;
  if (name == "net.width") return 16;
  throw Error(ErrorCode::recipe, "unknown " + name);
}
double evaluate(const std::string& text) { return evaluate_expression(text, value_of); }

TEST(Expression, FollowsTheRulesOfArithmetic) {
  EXPECT_EQ(evaluate("1 + 2 * 3"), 7);
  EXPECT_EQ(evaluate("(1 + 2) * 3"), 9);
  EXPECT_EQ(evaluate("8 / 2 / 2"), 2);
  EXPECT_EQ(evaluate("10 - 3 - 2"), 5);
  EXPECT_EQ(evaluate("-2 * -(3 + 1)"), 8);
  EXPECT_EQ(evaluate("2*cut+1"), 2);
  EXPECT_EQ(evaluate("net.width / 4"), 4);
  EXPECT_EQ(evaluate("1e-3 * 1000"), 1);
  EXPECT_EQ(evaluate("0.5"), 0.5);
  EXPECT_EQ(evaluate("  ( cut )  "), 0.5);
}

TEST(Expression, RefusesEverythingElse) {
  for (const auto* text : {"1 +", "(1", "1)", "* 2", "1 2", "cut cut", "f(2)", "1 % 2", "2 ** 3", "1 / 0", "cut / (1 - 1)", "1e308 * 10", "a; b", "",
                           "()", "\"x\"", "$x", "nope"}) {
    EXPECT_THROW(evaluate(text), Error) << text;
  }
  EXPECT_THROW(evaluate(std::string(100000, '(')), Error);
  EXPECT_THROW(evaluate(std::string(100000, '-')), Error);
}

ExpressionValue setting(const std::string& name) {
  if (name == "vars.bits") return 4.0;
  if (name == "vars.cut") return 0.5;
  if (name == "passes.0.prune.importance") return std::string("l1");
  throw Error(ErrorCode::recipe, "unknown " + name);
}

TEST(Condition, ComparesNumbersAndTexts) {
  for (const auto* text : {"vars.bits >= 4", "vars.bits >= 8 || vars.cut < 0.6", "!(vars.bits == 8)", "vars.bits * vars.cut == 2 && vars.cut != 1",
                           "passes.0.prune.importance == 'l1'", "passes.0.prune.importance != \"l2\"", "(vars.bits + 1) > 4", "(vars.cut < 1) == 1",
                           "vars.bits == 8 || vars.bits == 4 && vars.cut == 0.5", "vars.bits != 'l1'"}) {
    EXPECT_TRUE(evaluate_condition(text, setting)) << text;
  }
  for (const auto* text : {"vars.bits > 4", "vars.bits == 4 && vars.cut > 0.5", "! vars.bits", "passes.0.prune.importance == 'l2'", "(vars.bits == 8 || vars.bits == 4) && vars.cut == 1"}) {
    EXPECT_FALSE(evaluate_condition(text, setting)) << text;
  }
}

TEST(Condition, RefusesEverythingElse) {
  for (const auto* text : {"", "vars.bits >", "vars.bits = 4", "vars.bits & 1", "passes.0.prune.importance < 'l2'", "passes.0.prune.importance", "'l1", "nope == 1",
                           "vars.bits == 4 vars.cut", "1 / 0 == 1", "vars.bits >= 4 |"}) {
    EXPECT_THROW(evaluate_condition(text, setting), Error) << text;
  }
  EXPECT_THROW(evaluate_condition(std::string(100000, '!'), setting), Error);
}

TEST(Expression, KnowsNames) {
  for (const auto* name : {"a", "_x1", "a.b", "A_B.c_2"}) EXPECT_TRUE(is_variable_name(name)) << name;
  for (const auto* name : {"", "1a", "a-b", "a.", ".a", "a..b", "a b", "a.1"}) EXPECT_FALSE(is_variable_name(name)) << name;
}

}  // namespace
}  // namespace dsc
