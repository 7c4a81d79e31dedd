// The end of a run: files in the formats of deployment, the deployed form's accuracy, and latencies.
#pragma once

#include "pipeline/prepare.h"
#include "pipeline/recipe.h"
#include "pipeline/run_folder.h"
#include "report/report.h"

namespace dsc {

// Fills in report.files, report.deployed and report.latency.
void deploy_model(const Recipe& recipe, PreparedRun& run, const Model& base, const RunFolder& folder, Report& report);

}  // namespace dsc
