#include "train/monitor.h"

#include <gtest/gtest.h>

#include <functional>

#include "dscompress/error.h"
#include "support/error_of.h"

namespace dsc {
namespace {

std::string recipe_error(const std::function<void()>& body) {
  const Error error = test::error_of(body);
  EXPECT_EQ(error.code(), ErrorCode::recipe);
  return error.to_text();
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Monitor, LossesGoByTop1OrTheOnlyMetric) {
  EXPECT_EQ(choose_drop({{"top1", 0.9}, {"loss", 1}}, {1, "pp"}, "/max_drop").metric, "top1");
  EXPECT_EQ(choose_drop({{"perplexity", 9}}, {1, "%"}, "/max_drop").metric, "perplexity");
  EXPECT_EQ(choose_drop({{"macro_f1", 0.9}}, {1, "pp"}, "/max_drop").metric, "macro_f1");
}

// Neither prune nor quantize has an option `monitor`, so nothing may hint at it.
TEST(Monitor, SaysWhatToDoWhereNoOptionCanNameTheMetric) {
  const auto text = recipe_error([] { choose_drop({{"f1", 0.9}, {"loss", 1}}, {1, "pp"}, "/mixed/budget/drop"); });
  EXPECT_TRUE(says(text, "drop goes by one metric, and the recipe measures several: f1, loss")) << text;
  EXPECT_TRUE(says(text, "/mixed/budget/drop")) << text;
  EXPECT_FALSE(says(text, "monitor")) << text;
  EXPECT_TRUE(says(recipe_error([] { choose_deciding_metric({}, "max_drop"); }), "the recipe measures none"));
  EXPECT_TRUE(says(recipe_error([] { choose_monitor({{"f1", 0.9}, {"loss", 1}}, ""); }), "set monitor"));
}

TEST(Monitor, PercentagePointsAreOfShares) {
  for (const char* metric : {"perplexity", "loss", "mse", "matthews"}) {
    const auto text = recipe_error([&] { choose_drop({{metric, 3}}, {1, "pp"}, "/max_drop"); });
    EXPECT_TRUE(says(text, "is no percentage: max_drop cannot be in pp")) << text;
    EXPECT_TRUE(says(text, "use %")) << text;
    EXPECT_FALSE(recipe_error([&] { choose_drop({{metric, 3}}, {1, ""}, "/max_drop"); }).empty()) << "a number without a unit is in points";
  }
}

TEST(Monitor, LossesAreInTheUnitOfTheOption) {
  EXPECT_DOUBLE_EQ((Drop{"top1", {1, "pp"}}.lost(0.75, 0.5)), 25);
  EXPECT_DOUBLE_EQ((Drop{"top1", {1, "%"}}.lost(0.5, 0.25)), 50);
  EXPECT_DOUBLE_EQ((Drop{"perplexity", {1, "%"}}.lost(8, 10)), 25);
  EXPECT_DOUBLE_EQ((Drop{"perplexity", {1, "%"}}.lost(8, 6)), -25);
  EXPECT_DOUBLE_EQ((Drop{"loss", {1, ""}}.lost(0.5, 0.75)), 0.25);
}

// 0.8 - 0.79 is a little more than 0.01 in binary.
TEST(Monitor, LosingExactlyWhatIsAllowedIsAllowed) {
  const Drop drop{"top1", {1, "pp"}};
  EXPECT_GT(drop.lost(0.8, 0.79), 1);
  EXPECT_TRUE(drop.allows(drop.lost(0.8, 0.79)));
  EXPECT_FALSE(drop.allows(drop.lost(0.8, 0.7899)));
}

}  // namespace
}  // namespace dsc
