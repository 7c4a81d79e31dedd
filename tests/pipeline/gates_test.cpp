#include "pipeline/gates.h"

#include <gtest/gtest.h>

namespace dsc {
namespace {

Report with_top1(double base, double now) {
  Report report;
  report.steps = {{.index = 0, .name = "base", .metrics = {{"top1", base}, {"loss", 1.0}}, .parameters = 100, .macs = 100, .size_bytes = 800},
                  {.index = 1, .name = "prune", .metrics = {{"top1", now}, {"loss", 1.2}}, .parameters = 50, .macs = 40, .size_bytes = 100}};
  return report;
}

bool passes(const std::string& metric, const GateConfig& gate, const Report& report) {
  const auto records = check_gates({{metric, gate}}, report);
  EXPECT_EQ(records.size(), 1U);
  return records.front().passed;
}

TEST(Gates, DropInPointsAndPercent) {
  const auto report = with_top1(0.80, 0.79);
  EXPECT_TRUE(passes("top1", {.max_drop = Quantity{1.0, "pp"}}, report)) << "the bound itself passes";
  EXPECT_FALSE(passes("top1", {.max_drop = Quantity{0.9, "pp"}}, report));
  EXPECT_TRUE(passes("top1", {.max_drop = Quantity{1.3, "%"}}, report)) << "0.01 of 0.80 is 1.25 %";
  EXPECT_FALSE(passes("top1", {.max_drop = Quantity{1.2, "%"}}, report));
}

TEST(Gates, NoShareOfNothingCanBeLost) {
  const auto gate = GateConfig{.max_drop = Quantity{5, "%"}};
  EXPECT_TRUE(passes("top1", gate, with_top1(0, 0)));
  EXPECT_TRUE(passes("top1", gate, with_top1(0, 0.5)));
  const auto record = check_gates({{"top1", gate}}, with_top1(0, -0.5)).front();
  EXPECT_FALSE(record.passed);
  EXPECT_FALSE(record.measured.has_value()) << "reports hold finite numbers";
  EXPECT_NE(record.message.find("from 0 to -0.5"), std::string::npos) << record.message;
}

TEST(Gates, DropOfALossIsItsRise) { EXPECT_FALSE(passes("loss", {.max_drop = Quantity{10, "%"}}, with_top1(0.8, 0.8))); }

TEST(Gates, RatiosOfSizeAndMacs) {
  const auto report = with_top1(0.8, 0.8);
  EXPECT_TRUE(passes("size", {.min_ratio = 8}, report));
  EXPECT_FALSE(passes("size", {.min_ratio = 8.1}, report));
  EXPECT_TRUE(passes("macs", {.min_ratio = 2.5}, report));
  EXPECT_FALSE(passes("macs", {.max_ratio = 2.4}, report));
}

TEST(Gates, MissingFiguresFail) {
  const auto records = check_gates({{"latency_p50", {.min_speedup = 2}}, {"agreement", {.min = 0.5}}}, with_top1(0.8, 0.8));
  ASSERT_EQ(records.size(), 2U);
  for (const auto& record : records) {
    EXPECT_FALSE(record.passed);
    EXPECT_FALSE(record.measured.has_value());
  }
}

TEST(Anomalies, ImplausibleGainAndNonFiniteFigures) {
  EXPECT_TRUE(find_anomalies(with_top1(0.80, 0.81)).empty());
  EXPECT_EQ(find_anomalies(with_top1(0.80, 0.95)).size(), 1U);
  EXPECT_TRUE(find_anomalies(with_top1(0.10, 0.90)).empty()) << "training an untrained network is no anomaly";
  EXPECT_EQ(find_anomalies(with_top1(0.80, std::numeric_limits<double>::quiet_NaN())).size(), 1U);
}

}  // namespace
}  // namespace dsc
