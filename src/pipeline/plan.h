// What a recipe will do, found by a rehearsal: every pass changes the model as it would, but nothing is trained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/recipe.h"

namespace dsc {

struct PlanStep {
  std::string name, pass, summary;
  double macs = 0;
  std::int64_t parameters = 0, size_bytes = 0;
  std::int64_t training_steps = 0;       // of the optimiser; 0: nothing is trained
  double training_seconds = 0;           // predicted from a few of these steps, validation excluded
  std::vector<std::string> warnings;     // what the user should know before this step is run
  std::vector<std::string> notes;
};
struct Plan {
  std::vector<PlanStep> steps;           // the first is the model as it is
  std::int64_t memory_bytes = 0;         // estimate: weights, gradients, optimiser state and activations of the largest training
  std::int64_t disk_bytes = 0;           // estimate of the run folder at its largest
  std::vector<std::string> notes;
};

// Opens model and data, runs the checks of a run, rehearses all passes on a few examples, trainings on a few batches, and
// converts the final form for the deployment engine. errors: whatever would stop the run; cancelled.
Plan make_plan(const Recipe& recipe);
// "2340 training steps, about 8 min"; empty: the step trains nothing.
std::string training_text(const PlanStep& step);
std::string plan_text(const Plan& plan);
std::string plan_json(const Plan& plan);

}  // namespace dsc
