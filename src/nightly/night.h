// One night: what is deployed is looked after, and what is new replaces it, if it is not worse.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nightly/decision.h"
#include "report/report.h"

namespace dsc {

struct NightOptions {
  bool force = false;  // what was decided on before is tried again
  std::int64_t threads = 0;  // 0: as the recipes say
  std::vector<std::string> plugins;
};

struct NightResult {
  std::vector<Decision> decisions;          // of tonight's candidates, a killed night's included
  std::vector<std::string> notes;           // why something was not tried
  std::optional<std::int64_t> last_good;
  Figures figures;                          // of the version that is deployed now
  std::vector<GateRecord> budgets;          // of the same
  int exit_status = 0;                      // 1: a budget is violated, or there is no version at all
};

// errors: io, when another night is at work; cancelled, resumable; whatever is no fault of the candidate.
NightResult run_night(const Loop& loop, const PassTable& passes, const NightOptions& options);

// What run_night would do, as sentences; writes nothing into the registry.
std::vector<std::string> plan_night(const Loop& loop, const PassTable& passes, const NightOptions& options);

// Makes an earlier version the last good one; 0: the one before it. returns: its number. errors: usage.
std::int64_t roll_back(const Loop& loop, std::int64_t number);

}  // namespace dsc
