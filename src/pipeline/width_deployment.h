// A model of several widths as it is deployed: a model for each.
#pragma once

#include "pipeline/prepare.h"
#include "pipeline/recipe.h"
#include "pipeline/run_folder.h"
#include "report/report.h"

namespace dsc {

// Writes widths/ into the run folder and records each width's figures on data.eval; nothing for a model of one width.
// precondition: report.steps is not empty.
void deploy_widths(const Recipe& recipe, const PreparedRun& run, const Model& base, const RunFolder& folder, Report& report);

// Whether every width is a network that converts for the engine that the recipe deploys on. errors: model_file, unsupported.
void rehearse_widths(const Recipe& recipe, const Model& model);

}  // namespace dsc
