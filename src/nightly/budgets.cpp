#include "nightly/budgets.h"

#include <algorithm>
#include <utility>

#include "core/metric_facts.h"
#include "core/names.h"
#include "core/printed.h"
#include "eval/metrics.h"

namespace dsc {
namespace {

const std::vector<std::string>& other_figures() {
  static const std::vector<std::string> names{"latency_p50", "latency_p90", "latency_p99", "size", "drift", "drift_ks"};
  return names;
}

// Unit and what it is in the figure's own.
struct Unit {
  const char* name;
  double scale;
};
constexpr Unit kUnits[] = {{"", 1}, {"%", 0.01}, {"ms", 1}, {"s", 1000}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};

std::vector<std::string> units_of(const std::string& figure) {
  if (figure.starts_with("latency")) return {"ms", "s"};
  if (figure == "size") return {"kB", "MB", "GB", ""};
  if (is_share(figure)) return {"", "%"};
  return {""};
}

GateRecord check_bound(const std::string& figure, const Quantity& bound, const Figures& figures, bool at_least) {
  GateRecord record{.metric = figure, .rule = printed("%s %g%s", at_least ? "min" : "max", bound.value, bound.unit.c_str()), .bound = budget_value(bound)};
  const auto found = figures.find(figure);
  if (found == figures.end()) {
    record.message = figure + " was not measured";
    return record;
  }
  record.measured = found->second;
  record.passed = at_least ? found->second >= record.bound : found->second <= record.bound;
  record.message = printed("%s is %.4g, at %s %g wanted", figure.c_str(), found->second, at_least ? "least" : "most", record.bound);
  return record;
}

}  // namespace

const std::vector<std::string>& budget_units() {
  static const auto names = [] {
    std::vector<std::string> list;
    for (const auto& unit : kUnits) list.emplace_back(unit.name);
    return list;
  }();
  return names;
}

std::string problem_with_budget(const std::string& figure, const LoopBudget& budget, bool has_traffic) {
  auto known = metric_names();
  const bool is_metric = std::ranges::find(known, figure) != known.end();
  known.insert(known.end(), other_figures().begin(), other_figures().end());
  if (std::ranges::find(known, figure) == known.end()) return "budgets: there is no figure `" + figure + "`; " + suggest(figure, known);
  if (is_metric && compares_with_base({figure})) return "budgets: `" + figure + "` compares with the base of a run; use a metric of labels";
  if (figure.starts_with("drift") && !has_traffic) return "budgets: drift is that of `traffic`, which is not given";
  if (!budget.min && !budget.max) return "budgets: " + figure + " has neither min nor max";
  for (const auto* bound : {&budget.min, &budget.max}) {
    const auto units = units_of(figure);
    if (!*bound || std::ranges::find(units, (*bound)->unit) != units.end()) continue;
    return "budgets: " + figure + " cannot be in `" + (*bound)->unit + "`" + (figure.starts_with("latency") ? "; write 12ms" : "");
  }
  return {};
}

double budget_value(const Quantity& quantity) {
  const auto* unit = std::ranges::find(kUnits, quantity.unit, &Unit::name);
  return quantity.value * unit->scale;
}

Trigger trigger_of(const std::string& figure) { return figure.starts_with("latency") || figure == "size" ? Trigger::latency : Trigger::accuracy; }

std::vector<std::string> budgeted_metrics(const LoopBudgets& budgets) {
  std::vector<std::string> metrics;
  for (const auto& [figure, budget] : budgets) {
    if (std::ranges::find(metric_names(), figure) != metric_names().end()) metrics.push_back(figure);
  }
  return metrics;
}

bool any_budget_of(const LoopBudgets& budgets, std::string_view prefix) {
  return std::ranges::any_of(budgets, [&](const auto& budget) { return budget.first.starts_with(prefix); });
}

Figures stored_figures(const FinishedRun& run) {
  Figures figures = compare_ends(run.report).compressed;
  figures["size"] = static_cast<double>(run.report.steps.back().size_bytes);
  for (const auto& record : run.report.latency) {  // the last engine is the deployed one, the first batch size counts
    if (record.model != "compressed" || record.batch != run.report.latency.front().batch) continue;
    figures["latency_p50"] = record.p50_ms;
    figures["latency_p90"] = record.p90_ms;
    figures["latency_p99"] = record.p99_ms;
  }
  return figures;
}

std::vector<GateRecord> check_budgets(const LoopBudgets& budgets, const Figures& figures) {
  std::vector<GateRecord> records;
  for (const auto& [figure, budget] : budgets) {
    if (budget.min) records.push_back(check_bound(figure, *budget.min, figures, true));
    if (budget.max) records.push_back(check_bound(figure, *budget.max, figures, false));
  }
  return records;
}

}  // namespace dsc
