#include "report/robustness.h"

#include <algorithm>
#include <functional>

#include "core/metric_facts.h"

namespace dsc {
namespace {

constexpr const char* kCorruptedFigure = "corrupted_";

using Values = std::vector<double>;

double average(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The values of one metric in the records that are wanted.
template <class Wanted>
Values values_of(const std::vector<RobustnessRecord>& records, const std::string& metric, Wanted wanted) {
  Values values;
  for (const auto& record : records) {
    if (const auto found = record.metrics.find(metric); wanted(record) && found != record.metrics.end()) values.push_back(found->second);
  }
  return values;
}

std::vector<std::string> test_names(const std::vector<RobustnessRecord>& records) {
  std::vector<std::string> names;
  for (const auto& record : records) {
    if (!std::ranges::count(names, record.test)) names.push_back(record.test);
  }
  return names;
}

bool is_corruption(const RobustnessRecord& record) { return record.severity > 0; }

std::vector<const StepRecord*> tried_steps(const Report& report) {
  std::vector<const StepRecord*> steps;
  for (const auto& step : report.steps) {
    if (!step.robustness.empty()) steps.push_back(&step);
  }
  return steps;
}

using CellOf = std::function<std::optional<double>(const StepRecord& step)>;

std::vector<std::string> make_row(const std::string& title, const std::string& metric, const std::vector<const StepRecord*>& steps, const CellOf& cell) {
  std::vector<std::string> row = {title};
  for (const auto* step : steps) {
    const auto value = cell(*step);
    row.push_back(value ? format_metric(metric, *value) : "-");
  }
  return row;
}

std::optional<double> figure_in(const StepRecord& step, const std::string& name) {
  const auto found = std::ranges::find(step.robustness_figures, name, &RobustnessFigure::name);
  return found == step.robustness_figures.end() ? std::nullopt : std::optional(found->value);
}

std::optional<double> metric_in(const std::map<std::string, double>& metrics, const std::string& metric) {
  const auto found = metrics.find(metric);
  return found == metrics.end() ? std::nullopt : std::optional(found->second);
}

Series line_of(const StepRecord& step, const std::string& metric) {
  Series line{.name = std::to_string(step.index) + " " + step.name, .x = {}, .y = {}};
  const auto add = [&](std::int64_t severity, const Values& values) {
    if (values.empty()) return;
    line.x.push_back(static_cast<double>(severity));
    line.y.push_back(average(values));
  };
  if (const auto clean = metric_in(step.metrics, metric)) add(0, {*clean});
  constexpr std::int64_t kMost = 5;
  for (std::int64_t severity = 1; severity <= kMost; ++severity) add(severity, values_of(step.robustness, metric, [&](const auto& record) { return record.severity == severity; }));
  return line;
}

RobustnessTable make_table(const std::string& metric, const std::vector<const StepRecord*>& steps) {
  RobustnessTable table{.metric = metric, .columns = {metric}, .tests = {}, .severities = {}, .lines = {}};
  for (const auto* step : steps) table.columns.push_back(std::to_string(step->index) + " " + step->name);
  const auto add = [&](const std::string& title, const CellOf& cell) { table.tests.push_back(make_row(title, metric, steps, cell)); };
  const auto add_figure = [&](const std::string& title, const std::string& name) {
    add(title, [&](const StepRecord& step) { return figure_in(step, name); });
  };
  const auto& records = steps.back()->robustness;
  add("clean", [&](const StepRecord& step) { return metric_in(step.metrics, metric); });
  for (const auto& test : test_names(records)) add_figure(test, test + "_" + metric);
  const bool any_corruption = std::ranges::any_of(records, is_corruption);
  if (any_corruption) add_figure("mean of corruptions", kCorruptedFigure + metric);
  add_figure("worst", kWorstFigure + metric);
  for (const auto& wanted : records) {
    if (!is_corruption(wanted)) continue;
    table.severities.push_back(make_row(wanted.test + " " + std::to_string(wanted.severity), metric, steps, [&](const StepRecord& step) -> std::optional<double> {
      const auto values = values_of(step.robustness, metric, [&](const auto& record) { return record.test == wanted.test && record.severity == wanted.severity; });
      return values.empty() ? std::nullopt : std::optional(values.front());
    }));
  }
  if (!any_corruption) return table;
  for (const auto* step : steps) table.lines.push_back(line_of(*step, metric));
  return table;
}

}  // namespace

std::vector<RobustnessFigure> figures_of(const std::vector<RobustnessRecord>& records) {
  std::vector<RobustnessFigure> figures;
  if (records.empty()) return figures;
  for (const auto& [metric, unused] : records.front().metrics) {
    const auto all = values_of(records, metric, [](const auto&) { return true; });
    const auto [least, most] = std::ranges::minmax(all);
    figures.push_back({kWorstFigure + metric, metric, metric_facts(metric).smaller_is_better ? most : least});
    const auto corrupted = values_of(records, metric, is_corruption);
    if (!corrupted.empty()) figures.push_back({kCorruptedFigure + metric, metric, average(corrupted)});
    for (const auto& test : test_names(records)) {
      figures.push_back({test + "_" + metric, metric, average(values_of(records, metric, [&](const auto& record) { return record.test == test; }))});
    }
  }
  return figures;
}

std::vector<RobustnessTable> robustness_tables(const Report& report) {
  std::vector<RobustnessTable> tables;
  const auto steps = tried_steps(report);
  if (steps.empty()) return tables;
  for (const auto& [metric, unused] : steps.back()->robustness.front().metrics) tables.push_back(make_table(metric, steps));
  return tables;
}

}  // namespace dsc
