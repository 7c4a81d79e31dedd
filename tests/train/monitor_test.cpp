#include "train/monitor.h"

#include <gtest/gtest.h>

#include <functional>

#include "dscompress/error.h"

namespace dsc {
namespace {

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::recipe);
    return error.to_text();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Monitor, LossesGoByTop1OrTheOnlyMetric) {
  EXPECT_EQ(choose_loss_metric({{"top1", 0.9}, {"loss", 1}}, "pp", "/max_drop"), "top1");
  EXPECT_EQ(choose_loss_metric({{"perplexity", 9}}, "%", "/max_drop"), "perplexity");
  EXPECT_EQ(choose_loss_metric({{"macro_f1", 0.9}}, "pp", "/max_drop"), "macro_f1");
}

// Neither prune nor quantize has an option `monitor`, so nothing may hint at it.
TEST(Monitor, SaysWhatToDoWhereNoOptionCanNameTheMetric) {
  const auto text = error_of([] { choose_loss_metric({{"f1", 0.9}, {"loss", 1}}, "pp", "/mixed/budget/drop"); });
  EXPECT_TRUE(says(text, "drop goes by one metric, and the recipe measures several: f1, loss")) << text;
  EXPECT_TRUE(says(text, "/mixed/budget/drop")) << text;
  EXPECT_FALSE(says(text, "monitor")) << text;
  EXPECT_TRUE(says(error_of([] { choose_deciding_metric({}, "max_drop"); }), "the recipe measures none"));
  EXPECT_TRUE(says(error_of([] { choose_monitor({{"f1", 0.9}, {"loss", 1}}, ""); }), "set monitor"));
}

TEST(Monitor, PercentagePointsAreOfShares) {
  for (const char* metric : {"perplexity", "loss", "mse", "matthews"}) {
    const auto text = error_of([&] { choose_loss_metric({{metric, 3}}, "pp", "/max_drop"); });
    EXPECT_TRUE(says(text, "is no percentage: max_drop cannot be in pp")) << text;
    EXPECT_TRUE(says(text, "use %")) << text;
    EXPECT_FALSE(error_of([&] { choose_loss_metric({{metric, 3}}, "", "/max_drop"); }).empty()) << "a number without a unit is in points";
  }
}

TEST(Monitor, LossesAreInTheUnitOfTheOption) {
  EXPECT_DOUBLE_EQ(lost("top1", 0.75, 0.5, "pp"), 25);
  EXPECT_DOUBLE_EQ(lost("top1", 0.5, 0.25, "%"), 50);
  EXPECT_DOUBLE_EQ(lost("perplexity", 8, 10, "%"), 25);
  EXPECT_DOUBLE_EQ(lost("perplexity", 8, 6, "%"), -25);
}

}  // namespace
}  // namespace dsc
