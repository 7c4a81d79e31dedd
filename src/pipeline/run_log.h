// What a run says while it goes on.
#pragma once

#include "pipeline/plan.h"
#include "report/report.h"

namespace dsc {

// How long the run is going to train, and what speaks against it.
void log_plan(const Plan& plan);
// What a step took and left.
void log_step(const StepRecord& record);

}  // namespace dsc
