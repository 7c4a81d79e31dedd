// What several tests of robustness come to, and how it is shown.
#include "report/robustness.h"

#include <gtest/gtest.h>

namespace dsc {
namespace {

const std::vector<RobustnessRecord> kRecords = {{"jpeg", 1, {{"loss", 0.5}, {"top1", 0.9}}}, {"jpeg", 5, {{"loss", 1.5}, {"top1", 0.6}}}, {"pgd", 0, {{"loss", 3}, {"top1", 0.2}}}};

std::map<std::string, double> values_of(const std::vector<RobustnessFigure>& figures) {
  std::map<std::string, double> values;
  for (const auto& figure : figures) values[figure.name] = figure.value;
  return values;
}

TEST(RobustnessFigures, WorstFollowsTheMetricsDirectionAndMeansLeaveAttacksOut) {
  const auto values = values_of(figures_of(kRecords));
  EXPECT_EQ(values, (std::map<std::string, double>{{"worst_top1", 0.2}, {"worst_loss", 3}, {"corrupted_top1", 0.75}, {"corrupted_loss", 1}, {"jpeg_top1", 0.75}, {"jpeg_loss", 1}, {"pgd_top1", 0.2}, {"pgd_loss", 3}}));
  EXPECT_TRUE(figures_of({}).empty());
  EXPECT_FALSE(values_of(figures_of({kRecords.back()})).contains("corrupted_top1"));
}

TEST(RobustnessTables, HaveAColumnForEachStepThatWasTried) {
  Report report;
  for (const auto* name : {"base", "between", "last"}) report.steps.push_back({.index = static_cast<std::int64_t>(report.steps.size()), .name = name, .metrics = {{"top1", 0.95}, {"loss", 0.1}}});
  EXPECT_TRUE(robustness_tables(report).empty());
  for (const std::size_t step : {0U, 2U}) {
    report.steps[step].robustness = kRecords;
    report.steps[step].robustness_figures = figures_of(kRecords);
  }
  const auto tables = robustness_tables(report);
  ASSERT_EQ(tables.size(), 2U);
  const auto& top1 = tables[1];
  EXPECT_EQ(top1.columns, (std::vector<std::string>{"top1", "0 base", "2 last"}));
  using Rows = std::vector<std::vector<std::string>>;
  EXPECT_EQ(top1.tests, (Rows{{"clean", "95.00 %", "95.00 %"}, {"jpeg", "75.00 %", "75.00 %"}, {"pgd", "20.00 %", "20.00 %"}, {"mean of corruptions", "75.00 %", "75.00 %"}, {"worst", "20.00 %", "20.00 %"}}));
  EXPECT_EQ(top1.severities, (Rows{{"jpeg 1", "90.00 %", "90.00 %"}, {"jpeg 5", "60.00 %", "60.00 %"}}));
  ASSERT_EQ(top1.lines.size(), 2U);
  EXPECT_EQ(top1.lines[0].x, (std::vector<double>{0, 1, 5}));
  EXPECT_EQ(top1.lines[0].y, (std::vector<double>{0.95, 0.9, 0.6}));
}

}  // namespace
}  // namespace dsc
