// Whether a candidate replaces the last good version, and why.
#pragma once

#include <optional>

#include "nightly/decision.h"
#include "nightly/trial.h"

namespace dsc {

// candidate: its finished run. last_good: absent, there is none, and a run that passed its own gates is promoted.
// errors: recipe, when there is nothing to compare on.
Decision decide(const Loop& loop, Decision decision, const FinishedRun& candidate, const std::optional<FinishedRun>& last_good, const Traffic& traffic,
                const PassTable& passes);

}  // namespace dsc
