#include "report/sweep_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>

#include "core/log.h"
#include "core/printed.h"
#include "core/tree.h"
#include "report/csv.h"
#include "report/markdown_table.h"
#include "report/report.h"

namespace dsc {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

std::string number_in(const std::map<std::string, double>& figures, const std::string& name) {
  const auto found = figures.find(name);
  return found == figures.end() ? "" : number_text(found->second);
}

bool has_spread(const SweepReport& report) {
  return std::ranges::any_of(report.trials, [](const SweepTrial& trial) { return !trial.spread.empty(); });
}

// Metrics of data.eval that some trial has.
std::vector<std::string> judged_metrics(const SweepReport& report) {
  std::set<std::string> names;
  for (const auto& trial : report.trials) {
    for (const auto& [name, unused] : trial.judged) names.insert(name);
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> csv_titles(const SweepReport& report, bool spread) {
  std::vector<std::string> titles = {"trial"};
  titles.insert(titles.end(), report.parameters.begin(), report.parameters.end());
  for (const auto& objective : report.objectives) {
    titles.push_back(objective.name);
    if (spread) titles.push_back(objective.name + "_spread");
  }
  return titles;
}

std::vector<std::string> csv_row(const SweepReport& report, const SweepTrial& trial, bool spread) {
  std::vector<std::string> row = {std::to_string(trial.number)};
  row.insert(row.end(), trial.values.begin(), trial.values.end());
  for (const auto& objective : report.objectives) {
    row.push_back(number_in(trial.figures, objective.name));
    if (spread) row.push_back(number_in(trial.spread, objective.name));
  }
  return row;
}

bool can_be_on_front(const SweepReport& report, const SweepTrial& trial) {
  return trial.status == "complete" && trial.violations.empty() &&
         std::ranges::all_of(report.objectives, [&](const SweepObjective& objective) { return trial.figures.contains(objective.name); });
}

// A trial's figures, larger always better.
std::vector<double> merits_of(const SweepReport& report, const SweepTrial& trial) {
  std::vector<double> merits;
  for (const auto& objective : report.objectives) merits.push_back((objective.maximize ? 1 : -1) * trial.figures.at(objective.name));
  return merits;
}

// Whether a is nowhere worse than b, and better somewhere.
bool beats(const std::vector<double>& a, const std::vector<double>& b) {
  return a != b && std::ranges::equal(a, b, [](double x, double y) { return x >= y; });
}

// Which group each value belongs to: equal values, or for numbers of more than eight kinds eighths of their order.
std::vector<std::size_t> groups_of(const std::vector<std::string>& values) {
  constexpr std::size_t kGroups = 8;
  const std::set<std::string> kinds(values.begin(), values.end());
  const bool numbers = std::ranges::all_of(kinds, is_numeric);
  std::vector<std::size_t> groups(values.size());
  if (kinds.size() <= kGroups || !numbers) {
    for (std::size_t i = 0; i < values.size(); ++i) groups[i] = static_cast<std::size_t>(std::distance(kinds.begin(), kinds.find(values[i])));
    return groups;
  }
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return std::strtod(values[i].c_str(), nullptr); });
  for (std::size_t rank = 0; rank < order.size(); ++rank) groups[order[rank]] = rank * kGroups / order.size();
  return groups;
}

double mean_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

double explained(const std::vector<double>& values, const std::vector<std::size_t>& groups) {
  std::map<std::size_t, std::vector<double>> members;
  for (std::size_t i = 0; i < values.size(); ++i) members[groups[i]].push_back(values[i]);
  const double mean = mean_of(values);
  double all = 0, between = 0;
  for (const double value : values) all += (value - mean) * (value - mean);
  for (const auto& [unused, group] : members) between += static_cast<double>(group.size()) * std::pow(mean_of(group) - mean, 2);
  return all > 0 ? std::min(1.0, between / all) : 0;
}

}  // namespace

bool is_numeric(const std::string& value) {
  const auto look = look_of(plain_tree(value));
  return look == ScalarLook::integer || look == ScalarLook::number;
}

std::vector<std::size_t> pareto_front(const SweepReport& report) {
  std::vector<std::pair<std::vector<double>, std::size_t>> candidates, front;
  for (std::size_t i = 0; i < report.trials.size(); ++i) {
    if (can_be_on_front(report, report.trials[i])) candidates.emplace_back(merits_of(report, report.trials[i]), i);
  }
  // In this order a trial can only be beaten by one before it, and then by one of the front.
  std::ranges::sort(candidates, std::greater{});
  for (auto& candidate : candidates) {
    const bool beaten = std::ranges::any_of(front, [&](const auto& other) { return beats(other.first, candidate.first); });
    if (!beaten) front.push_back(std::move(candidate));
  }
  std::vector<std::size_t> indices;
  for (const auto& [unused, index] : front) indices.push_back(index);
  std::ranges::sort(indices);
  return indices;
}

std::vector<double> parameter_importance(const SweepReport& report, const std::string& objective) {
  std::vector<double> values;
  std::vector<const SweepTrial*> trials;
  for (const auto& trial : report.trials) {
    const auto found = trial.figures.find(objective);
    if (trial.status != "complete" || found == trial.figures.end()) continue;
    values.push_back(found->second);
    trials.push_back(&trial);
  }
  if (values.size() < 2 || std::ranges::all_of(values, [&](double value) { return value == values.front(); })) return {};
  std::vector<double> shares;
  for (std::size_t p = 0; p < report.parameters.size(); ++p) {
    std::vector<std::string> settings;
    for (const auto* trial : trials) settings.push_back(trial->values.at(p));
    shares.push_back(explained(values, groups_of(settings)));
  }
  return shares;
}

std::string format_figure(const std::string& name, double value) {
  if (name == "size") return format_bytes(value);
  if (name == "macs" || name == "parameters") return format_count(value);
  if (name == "latency_p50") return printed("%.3f ms", value);
  if (name == "seconds") return format_duration(value);
  return format_metric(name, value);
}

std::string sweep_csv(const SweepReport& report) {
  const bool spread = has_spread(report);
  auto titles = csv_titles(report, spread);
  for (const auto* title : {"status", "on_front", "violations", "reason", "seconds", "attempts", "folder"}) titles.emplace_back(title);
  Rows rows = {titles};
  const auto front = pareto_front(report);
  for (std::size_t i = 0; i < report.trials.size(); ++i) {
    const auto& trial = report.trials[i];
    auto row = csv_row(report, trial, spread);
    for (auto& cell : {trial.status, std::string(std::ranges::binary_search(front, i) ? "1" : "0"), joined(trial.violations, "; "), trial.reason,
                       printed("%.1f", trial.seconds), std::to_string(trial.attempts), trial.folder}) {
      row.push_back(cell);
    }
    rows.push_back(std::move(row));
  }
  return csv_text(rows);
}

std::string sweep_front_csv(const SweepReport& report) {
  const bool spread = has_spread(report);
  auto titles = csv_titles(report, spread);
  const auto judged = judged_metrics(report);
  for (const auto& metric : judged) titles.push_back("eval_" + metric);
  titles.emplace_back("folder");
  Rows rows = {titles};
  for (const auto i : pareto_front(report)) {
    auto row = csv_row(report, report.trials[i], spread);
    for (const auto& metric : judged) row.push_back(number_in(report.trials[i].judged, metric));
    row.push_back(report.trials[i].folder);
    rows.push_back(std::move(row));
  }
  return csv_text(rows);
}

Rows sweep_table(const SweepReport& report, const std::vector<std::size_t>& trials) {
  const auto front = pareto_front(report);
  std::vector<std::string> titles = {"trial"};
  titles.insert(titles.end(), report.parameters.begin(), report.parameters.end());
  for (const auto& objective : report.objectives) titles.push_back(objective.name);
  const auto judged = judged_metrics(report);
  for (const auto& metric : judged) titles.push_back(metric + " on eval");
  titles.insert(titles.end(), {"time", ""});
  Rows rows = {titles};
  for (const auto i : trials) {
    const auto& trial = report.trials[i];
    std::vector<std::string> row = {std::to_string(trial.number) + (std::ranges::binary_search(front, i) ? " *" : "")};
    row.insert(row.end(), trial.values.begin(), trial.values.end());
    for (const auto& objective : report.objectives) {
      const auto figure = trial.figures.find(objective.name), spread = trial.spread.find(objective.name);
      row.push_back(figure == trial.figures.end() ? "-" : format_figure(objective.name, figure->second) + (spread == trial.spread.end() ? "" : " ± " + format_figure(objective.name, spread->second)));
    }
    for (const auto& metric : judged) row.push_back(trial.judged.contains(metric) ? format_figure(metric, trial.judged.at(metric)) : "-");
    row.push_back(trial.seconds > 0 ? format_duration(trial.seconds) : "-");
    const auto reason = trial.reason.substr(0, trial.reason.find('\n'));
    row.push_back(trial.status != "complete" ? trial.status + (reason.empty() ? "" : ": " + reason) : joined(trial.violations, "; "));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string sweep_summary(const SweepReport& report) {
  const auto count = [&](const char* status) { return static_cast<std::size_t>(std::ranges::count(report.trials, status, &SweepTrial::status)); };
  const auto stopped = count("stopped");
  return printed("%zu of %zu trials complete, %zu failed, ", count("complete"), report.trials.size(), count("failed")) + (stopped > 0 ? printed("%zu stopped early, ", stopped) : "") +
         printed("%zu on the front", pareto_front(report).size());
}

std::string sweep_markdown(const SweepReport& report) {
  std::ostringstream out;
  std::vector<std::size_t> all(report.trials.size());
  std::iota(all.begin(), all.end(), 0U);
  auto rows = sweep_table(report, all);
  out << "# " << report.name << "\n\n" << sweep_summary(report) << " (marked *)\n\n";
  markdown::write_table(out, rows.front(), Rows(rows.begin() + 1, rows.end()));
  for (const auto& note : report.notes) out << "- " << note << '\n';
  return std::move(out).str();
}

std::string sweep_json(const SweepReport& report) {
  using nlohmann::ordered_json;
  ordered_json json{{"version", 1}, {"name", report.name}, {"recipe", report.recipe}, {"method", report.method}, {"started_at", report.started_at}, {"notes", report.notes}};
  for (const auto& objective : report.objectives) json["objectives"][objective.name] = objective.maximize ? "maximize" : "minimize";
  json["front"] = ordered_json::array();
  for (const auto i : pareto_front(report)) json["front"].push_back(report.trials[i].number);
  auto& trials = json["trials"] = ordered_json::array();
  for (const auto& trial : report.trials) {
    ordered_json parameters = ordered_json::object();
    for (std::size_t p = 0; p < report.parameters.size(); ++p) parameters[report.parameters[p]] = trial.values[p];
    trials.push_back({{"trial", trial.number}, {"status", trial.status}, {"reason", trial.reason}, {"parameters", parameters}, {"figures", trial.figures}, {"spread", trial.spread}, {"judged", trial.judged},
                      {"violations", trial.violations}, {"seconds", trial.seconds}, {"attempts", trial.attempts}, {"folder", trial.folder}});
  }
  return json.dump(2) + "\n";
}

}  // namespace dsc
