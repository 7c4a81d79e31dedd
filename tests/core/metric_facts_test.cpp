#include "core/metric_facts.h"

#include <gtest/gtest.h>

#include "dscompress/error.h"

namespace dsc {
namespace {

TEST(MetricTexts, HoldTheSettingsThatAreNotTheUsualOnes) {
  EXPECT_EQ(metric_text("dtw", {{"band", 0}}), "dtw");
  EXPECT_EQ(metric_text("dtw", {{"band", 10}}), "dtw(band=10)");
  EXPECT_EQ(metric_settings("dtw(band=10)"), (MetricSettings{{"band", 10}}));
  EXPECT_EQ(metric_text("dtw", {{"band", 10}}, "steps"), "dtw(label=steps band=10)");
  EXPECT_EQ(metric_settings("dtw(label=steps band=10)"), (MetricSettings{{"band", 10}}));
  EXPECT_EQ(metric_label("dtw(label=steps band=10)"), "steps");
  EXPECT_EQ(metric_label("dtw(band=10)"), "");
  EXPECT_THROW(metric_settings("agreement(label=steps)"), Error);
  EXPECT_EQ(metric_settings("soft_dtw"), (MetricSettings{{"gamma", 1}}));
  EXPECT_TRUE(metric_settings("top1").empty());
}

TEST(MetricTexts, KnowWhatTheirMetricIs) {
  EXPECT_TRUE(metric_facts("dtw(band=10)").smaller_is_better);
  EXPECT_TRUE(is_share("dtw_1nn(band=3)"));
  EXPECT_DOUBLE_EQ(fall_of("dtw(band=10)", 1, 3), 2);
}

TEST(MetricTexts, OfUnknownSettingsAreRefused) {
  for (const char* text : {"dtw(width=10)", "dtw(band)", "dtw(band=ten)", "top1(band=1)"}) {
    try {
      metric_settings(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::recipe) << text;
    }
  }
}

}  // namespace
}  // namespace dsc
