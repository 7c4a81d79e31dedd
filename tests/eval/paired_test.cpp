// Statistics against scipy's and statsmodels', as scripts/make_statistics_fixtures.py recorded them.
#include "eval/paired.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

const Json& recorded() {
  static const Json json = Json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/statistics.json"));
  return json;
}

// Outcomes of two models on `count` examples: `lost` only the first has right, `won` only the second.
struct Two {
  Outcomes first, second;
  std::vector<double> differences;
};
Two two_models(std::int64_t count, std::int64_t lost, std::int64_t won) {
  Two two;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool is_lost = i < lost, is_won = !is_lost && i < lost + won;
    const double first = is_won ? 0 : 1, second = is_lost ? 0 : 1;
    two.first.set(i, first, 1);
    two.second.set(i, second, 1);
    two.differences.push_back(second - first);
  }
  return two;
}

TEST(Paired, McNemarEqualsStatsmodels) {
  for (const auto& entry : recorded().at("mcnemar")) {
    EXPECT_NEAR(mcnemar_exact(entry.at("lost"), entry.at("won")), entry.at("p").get<double>(), 1e-9) << entry;
  }
}

TEST(Paired, TimingsEqualScipy) {
  for (const auto& entry : recorded().at("timings")) {
    const auto x = entry.at("x").get<std::vector<double>>(), y = entry.at("y").get<std::vector<double>>();
    EXPECT_NEAR(mann_whitney(x, y), entry.at("p").get<double>(), 1e-9);
    const auto ratio = bootstrap_median_ratio(x, y, {.resamples = 20000});
    EXPECT_NEAR(ratio.low, entry.at("ratio")[0].get<double>(), 0.01);
    EXPECT_NEAR(ratio.high, entry.at("ratio")[1].get<double>(), 0.01);
  }
}

TEST(Paired, IntervalsOfDifferencesEqualScipyAndStatsmodels) {
  for (const auto& entry : recorded().at("differences")) {
    const auto two = two_models(entry.at("count"), entry.at("lost"), entry.at("won"));
    const auto normal = normal_interval(two.differences, 0.9);
    EXPECT_NEAR(normal.low, entry.at("normal")[0].get<double>(), 1e-9);
    EXPECT_NEAR(normal.high, entry.at("normal")[1].get<double>(), 1e-9);
    const auto first = make_figure("top1", two.first), second = make_figure("top1", two.second);
    const auto resampled = bootstrap_difference(first, second, two.first.size(), {});
    // The share of a grid of 1/count that scipy's percentile fell on may be the next one here.
    const double close = 0.0005 + 1.0 / entry.at("count").get<double>();
    EXPECT_NEAR(resampled.low, entry.at("bootstrap")[0].get<double>(), close);
    EXPECT_NEAR(resampled.high, entry.at("bootstrap")[1].get<double>(), close);
  }
}

TEST(Paired, QuantilesEqualScipy) {
  for (const auto& entry : recorded().at("quantiles")) {
    EXPECT_NEAR(normal_quantile(entry.at("probability")), entry.at("z").get<double>(), 1e-8 * std::abs(entry.at("z").get<double>()) + 1e-9) << entry;
  }
}

TEST(Paired, ResamplingIsTheSameForTheSameSeed) {
  const auto two = two_models(500, 20, 10);
  const auto first = make_figure("top1", two.first), second = make_figure("top1", two.second);
  const auto once = bootstrap_difference(first, second, 500, {.seed = 3}), again = bootstrap_difference(first, second, 500, {.seed = 3});
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
}

TEST(Paired, AModelAgainstItselfDiffersByNothing) {
  const auto two = two_models(300, 0, 0);
  const auto figure = make_figure("top1", two.first);
  const auto interval = bootstrap_difference(figure, figure, 300, {});
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 0);
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
}

TEST(NonInferiority, SaysHowMuchDataIsMissing) {
  using Verdict = NonInferiority::Verdict;
  // 0.23 points worse on 872 examples, margin half a point: too few to tell.
  const auto few = test_non_inferiority(two_models(872, 12, 10).differences, 0.005, 0.95);
  EXPECT_EQ(few.verdict, Verdict::not_enough_data);
  ASSERT_TRUE(few.more.has_value());
  // With as many more of the same kind, it is decided.
  const double scale = static_cast<double>(872 + *few.more) / 872;
  const auto scaled = [&](int count) { return static_cast<std::int64_t>(std::llround(scale * count)); };
  EXPECT_EQ(test_non_inferiority(two_models(scaled(872) + 50, scaled(12), scaled(10)).differences, 0.005, 0.95).verdict, Verdict::better_than_margin);
  EXPECT_EQ(test_non_inferiority(two_models(5000, 200, 50).differences, 0.005, 0.95).verdict, Verdict::worse_than_margin);
  EXPECT_EQ(test_non_inferiority(two_models(5000, 50, 60).differences, 0.005, 0.95).verdict, Verdict::better_than_margin);
  EXPECT_EQ(test_non_inferiority(two_models(100, 0, 0).differences, 0.005, 0.95).verdict, Verdict::not_enough_data) << "a hundred equal answers show little";
}

}  // namespace
}  // namespace dsc
