// The end of a run: files in the formats of deployment, the deployed form's accuracy, and latencies.
#pragma once

#include "pipeline/predictions.h"
#include "pipeline/prepare.h"
#include "pipeline/recipe.h"
#include "pipeline/run_folder.h"
#include "report/report.h"

namespace dsc {

// Fills in report.files, report.deployed and report.latency, and what the deployed model made of each example.
void deploy_model(const Recipe& recipe, PreparedRun& run, const Model& base, const RunFolder& folder, Report& report,
                  Predictions& predictions);

}  // namespace dsc
