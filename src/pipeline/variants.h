// Models of which one is chosen at run time, widths or resolutions, judged and timed alike.
#pragma once

#include <string>
#include <vector>

#include "pipeline/prepare.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

// Adds to each row of the table, which has one for each model and begins with its name, the recipe's metrics on data.eval and the latency
// of the deployed form, where the recipe has them. kind: of the progress, "width".
void judge_variants(const Recipe& recipe, const PreparedRun& run, const Model& base, const std::vector<const Model*>& models, const std::string& kind,
                    TableRecord& table);

}  // namespace dsc
