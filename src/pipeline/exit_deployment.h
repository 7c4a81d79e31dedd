// A model with early exits, or of several resolutions, as it is deployed: its chain written, judged and timed on real examples, since what it
// costs depends on them.
#pragma once

#include "pipeline/predictions.h"
#include "pipeline/prepare.h"
#include "pipeline/recipe.h"
#include "pipeline/run_folder.h"
#include "report/report.h"

namespace dsc {

// Writes exits/ or resolutions/ into the run folder and puts the chain's figures on data.eval before those of other forms, as what is deployed;
// nothing for a model that is no chain. Of resolutions the figures of each are recorded, too.
// precondition: report.steps is not empty.
void deploy_exits(const Recipe& recipe, const PreparedRun& run, const Model& base, const RunFolder& folder, Report& report, Predictions& predictions);

// Whether every stage of the chain converts for the engine that the recipe deploys on. errors: unsupported.
void rehearse_exits(const Recipe& recipe, const Model& model);

}  // namespace dsc
