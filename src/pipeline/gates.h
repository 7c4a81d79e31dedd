// Gates: whether a run's figures are good enough.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

// One record for each rule of each gated metric. A metric that was not measured fails.
std::vector<GateRecord> check_gates(const std::map<std::string, GateConfig>& gates, const Report& report);

// Where rules of this kind stand in a recipe.
struct GateSection {
  std::string pointer = "/gates";
  const char* noun = "gate";
};
// Rules on figures that the recipe does not measure, or that mean nothing there.
std::vector<Problem> check_gate_section(const Recipe& recipe, const std::map<std::string, GateConfig>& gates, const GateSection& section);

// One rule by itself: how far `now` fell below `base`, of a loss rose above it. Absent figures fail.
// figure: what messages call it, where it is the metric under other conditions; empty: the metric.
GateRecord check_drop(const std::string& metric, const Quantity& allowed, std::optional<double> base, std::optional<double> now, const std::string& figure = {});
// Whether max_drop's unit fits the metric: accuracies need one, losses are no percentage points.
std::optional<Problem> problem_with_drop_unit(const std::string& metric, const Quantity& drop, const std::string& pointer);

// Compression does not make a trained model this much better; a mix-up of data or labels does.
bool is_implausible_gain(const std::string& metric, double base, double now);

// What makes the figures themselves suspect, as sentences: values that are not finite, or gains nobody should believe.
std::vector<std::string> find_anomalies(const Report& report);

}  // namespace dsc
