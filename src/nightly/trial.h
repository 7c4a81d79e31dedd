// Versions side by side tonight: evaluated on the same examples in the form in which they are deployed, timed in turn, and
// how far the traffic has moved from what they know.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/drift.h"
#include "eval/metrics.h"
#include "nightly/budgets.h"
#include "nightly/traffic.h"
#include "pipeline/finished_run.h"
#include "pipeline/recipe.h"

namespace dsc {

// Inputs that the version was trained on, where that was traffic; in its folder.
inline constexpr const char* kKnownTraffic = "traffic.safetensors";

// errors: recipe, when the run's resolved recipe is damaged.
Recipe recipe_of(const FinishedRun& run, const PassTable& passes);

struct TrialExamples {
  SplitConfig split;
  std::optional<NormalizeConfig> normalize;
  std::vector<std::string> metrics;
};
// The traffic's; without traffic the data.eval of the recipe that made `run`. None: there are none.
std::optional<TrialExamples> trial_examples(const Loop& loop, const Traffic& traffic, const FinishedRun& run, const PassTable& passes);

Evaluation evaluate_version(const FinishedRun& run, const TrialExamples& examples, const PassTable& passes);

// Latency figures of each. What is over its budget is measured again, up to three times in all, and the least counts: other
// work on the machine makes a model slower, never faster.
std::vector<Figures> time_versions(const LoopBudgets& budgets, const std::vector<const FinishedRun*>& runs, const PassTable& passes);

// Of the model's outputs, and of each input's mean and deviation in an example, against kKnownTraffic or else data.eval.
FeatureDrift drift_of(const FinishedRun& run, const Traffic& traffic, const PassTable& passes);

}  // namespace dsc
