// A run against an earlier one that must not get worse.
#pragma once

#include <string>

#include "pipeline/baseline_rules.h"
#include "pipeline/finished_run.h"
#include "report/gate_report.h"

namespace dsc {

class PassTable;

struct BaselineGateOptions {
  BaselineRules rules;
  const PassTable* passes = nullptr;  // for the runs' recipes, where models are timed
  std::int64_t threads = 0;           // of the engines that are timed; 0: as the recipes say
};

// The point estimates within their margins decide; intervals and tests stand beside them.
// errors: data, when the runs' metrics must not be compared; usage for rules that make no sense.
GateReport check_against_baseline(const FinishedRun& run, const FinishedRun& baseline, const BaselineGateOptions& options);
// There is no baseline yet: only the run's own outcome counts.
GateReport first_of_its_kind(const FinishedRun& run, const std::string& baseline);

int exit_status(const GateReport& report);

}  // namespace dsc
