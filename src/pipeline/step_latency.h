// How fast a step's model is, told while the run goes on.
#pragma once

#include <string>

#include "dscompress/model.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

// Times the model beside the base, in turn, for a short while, as evaluate.latency says, with its first batch. A model between two steps may have
// what the engine lacks, which only the last one must not: then there is a note instead. precondition: recipe.evaluate.latency
void time_step(const Recipe& recipe, const Model& model, const Model& base, StepRecord& record);

}  // namespace dsc
