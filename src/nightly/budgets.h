// Figures of a version, and what they must keep.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nightly/loop.h"
#include "pipeline/finished_run.h"

namespace dsc {

// Metrics by their names; latency_p50, latency_p90, latency_p99 in ms; size in bytes; drift, drift_ks.
using Figures = std::map<std::string, double>;

const std::vector<std::string>& budget_units();
// Empty: none. Drift is that of traffic.
std::string problem_with_budget(const std::string& figure, const LoopBudget& budget, bool has_traffic);
double budget_value(const Quantity& bound);  // in the unit of Figures
// The recipe that is to mend it.
Trigger trigger_of(const std::string& figure);

// Those of the budgets that are metrics of labelled examples.
std::vector<std::string> budgeted_metrics(const LoopBudgets& budgets);
bool any_budget_of(const LoopBudgets& budgets, std::string_view prefix);  // "latency", "drift"

// What the run itself measured, of the compressed model as it is deployed.
Figures stored_figures(const FinishedRun& run);
// One record for each bound. A figure that was not measured violates it.
std::vector<GateRecord> check_budgets(const LoopBudgets& budgets, const Figures& figures);

}  // namespace dsc
