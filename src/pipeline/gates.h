// Gates: whether a run's figures are good enough.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

// One record for each rule of each gated metric. A metric that was not measured fails.
std::vector<GateRecord> check_gates(const std::map<std::string, GateConfig>& gates, const Report& report);

// What makes the figures themselves suspect, as sentences: values that are not finite, or gains nobody should believe.
std::vector<std::string> find_anomalies(const Report& report);

}  // namespace dsc
