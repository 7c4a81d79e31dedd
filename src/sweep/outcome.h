// From the reports of a trial's runs to what the sweep compares.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/recipe.h"
#include "report/report.h"
#include "sweep/folder.h"

namespace dsc::sweep {

// What a run of this recipe measures: its metrics, size, macs, parameters, seconds, and latency_p50 with evaluate.latency.
std::vector<std::string> measured_figures(const Recipe& recipe);

// Of the compressed model, as it is deployed where it is. latency_p50: at the first batch size, in ms.
std::map<std::string, double> figures_of(const Report& report);

// Fills in figures, spread and violations from one report for each seed; a run whose figures are not to be trusted fails the trial.
void judge(const std::vector<Report>& reports, const std::map<std::string, GateConfig>& constraints, Result& result);

// Constraints as text and back.
std::string constraints_text(const std::map<std::string, GateConfig>& constraints);
std::map<std::string, GateConfig> parse_constraints(const std::string& text);

}  // namespace dsc::sweep
