#include "sweep/outcome.h"

#include <algorithm>
#include <cmath>

#include "core/fields_json.h"
#include "pipeline/gates.h"

namespace dsc::sweep {
namespace {

struct Constraints {
  std::map<std::string, GateConfig> constraints;
  void fields(FieldVisitor& visit) { visit("constraints", constraints, {.text = "Rules."}); }
};

const LatencyRecord* deployed_latency(const Report& report) {
  const LatencyRecord* found = nullptr;
  for (const auto& record : report.latency) {
    const bool first_batch = record.model == "compressed" && record.batch == report.latency.front().batch;
    if (first_batch && (!found || !record.engine.starts_with("libtorch"))) found = &record;
  }
  return found;
}

// Calls `add` for each pair of numbers of two reports that constraints look at.
void for_each_figure(Report& sum, const Report& other, const auto& add) {
  const auto add_metrics = [&](std::map<std::string, double>& into, const std::map<std::string, double>& from) {
    for (auto& [metric, value] : into) add(value, from.contains(metric) ? from.at(metric) : std::nan(""));
  };
  for (std::size_t i = 0; i < std::min(sum.steps.size(), other.steps.size()); ++i) {
    auto& into = sum.steps[i];
    const auto& from = other.steps[i];
    add_metrics(into.metrics, from.metrics);
    add(into.macs, from.macs);
    add(into.size_bytes, from.size_bytes);
    add(into.parameters, from.parameters);
  }
  for (std::size_t i = 0; i < std::min(sum.deployed.size(), other.deployed.size()); ++i) add_metrics(sum.deployed[i].metrics, other.deployed[i].metrics);
  for (std::size_t i = 0; i < std::min(sum.latency.size(), other.latency.size()); ++i) add(sum.latency[i].p50_ms, other.latency[i].p50_ms);
}

// Figures of the mean run; everything else is the first one's.
Report mean_report(const std::vector<Report>& reports) {
  Report mean = reports.front();
  for (std::size_t i = 1; i < reports.size(); ++i) {
    const double share = 1.0 / static_cast<double>(i + 1);
    for_each_figure(mean, reports[i], [&]<class T>(T& value, auto other) { value += static_cast<T>(share * (static_cast<double>(other) - static_cast<double>(value))); });
  }
  return mean;
}

double deviation(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace

std::vector<std::string> measured_figures(const Recipe& recipe) {
  auto names = recipe.evaluate.metrics;
  names.insert(names.end(), {"size", "macs", "parameters", "seconds"});
  if (recipe.evaluate.latency) names.emplace_back("latency_p50");
  return names;
}

std::map<std::string, double> figures_of(const Report& report) {
  auto figures = compare_ends(report).compressed;
  const auto& last = report.steps.back();
  figures["size"] = static_cast<double>(last.size_bytes);
  figures["macs"] = last.macs;
  figures["parameters"] = static_cast<double>(last.parameters);
  figures["seconds"] = report.seconds;
  if (const auto* latency = deployed_latency(report)) figures["latency_p50"] = latency->p50_ms;
  return figures;
}

void judge(const std::vector<Report>& reports, const std::map<std::string, GateConfig>& constraints, Result& result) {
  std::map<std::string, std::vector<double>> values;
  for (const auto& report : reports) {
    for (const auto& anomaly : find_anomalies(report)) result.reason = result.reason.empty() ? anomaly : result.reason;
    for (const auto& [name, value] : figures_of(report)) {
      if (!std::isfinite(value) && result.reason.empty()) result.reason = name + " is not a finite number";
      values[name].push_back(value);
    }
  }
  if (!result.reason.empty()) {
    result.failed = true;
    return;
  }
  for (const auto& [name, list] : values) {
    double mean = 0;
    for (const double value : list) mean += value / static_cast<double>(list.size());
    result.figures[name] = list.size() == 1 ? list.front() : mean;
    if (list.size() > 1) result.spread[name] = deviation(list);
  }
  for (const auto& record : check_gates(constraints, mean_report(reports))) {
    if (!record.passed) result.violations.push_back(record.message);
  }
}

std::string constraints_text(const std::map<std::string, GateConfig>& constraints) { return dump_json(Constraints{constraints}); }

std::map<std::string, GateConfig> parse_constraints(const std::string& text) { return parse_json<Constraints>(text, "sweep.json").constraints; }

}  // namespace dsc::sweep
