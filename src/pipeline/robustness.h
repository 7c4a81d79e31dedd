// Trying a model on corrupted and adversarial inputs, as evaluate.robustness says.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "pipeline/recipe.h"
#include "pipeline/step_context.h"
#include "report/report.h"

namespace dsc {

// Whether the model after this step is tried.
bool tries_robustness(const Recipe& recipe, std::int64_t step);

// The recipe's metrics in every test. base: whose gradients transferred attacks follow. The same examples, noise and starts for every
// model. progress: what is being done, examples done, of how many; may throw cancelled.
// errors: data, unsupported, with the test's place in the recipe.
using RobustnessProgress = std::function<void(const std::string& test, std::int64_t done, std::int64_t total)>;
std::vector<RobustnessRecord> try_robustness(const Recipe& recipe, const Model& model, const Model& base, const RunResources& resources, const RobustnessProgress& progress);

// Whether every test can be made on the recipe's data: opens each of them for one example. errors: data, all problems at once.
void check_robustness(const Recipe& recipe, const Model& model);
// Whether the attacks that follow this model's gradients find any: a step of each, on two examples. errors: unsupported.
void rehearse_attacks(const Recipe& recipe, const Model& model, const RunResources& resources);

}  // namespace dsc
