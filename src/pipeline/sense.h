// How sensitive a model's parts are to one of a recipe's passes.
#pragma once

#include <string>

#include "pipeline/recipe.h"

namespace dsc {

struct SenseOptions {
  std::string what;   // a step's name or a pass's id; empty: the recipe's only step that can be sensed
  std::string cache;  // folder that keeps what was measured, by content; empty: none
};
struct SenseResult {
  std::string step, pass;
  SenseTable table;
};

// Applies the step's pass to one part of the model after another and measures the recipe's metrics on data.valid. The model is
// the recipe's as it is loaded: no earlier step runs. What was measured before for the same tensors, data and metrics is
// taken from the cache, so that an interrupted or widened study goes on where it was.
// errors: usage, when no step or several fit `what`; those of prepare_run.
SenseResult sense_recipe(const Recipe& recipe, const SenseOptions& options);

}  // namespace dsc
