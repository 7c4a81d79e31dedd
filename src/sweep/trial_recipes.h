// Recipes of trials: the sweep's recipe with a trial's values set.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "dscompress/pass.h"
#include "pipeline/sweep_config.h"
#include "sweep/space.h"

namespace dsc::sweep {

class TrialRecipes {
 public:
  // input: with the overrides of the whole sweep, those of its section among them. section and passes must outlive it.
  TrialRecipes(RecipeInput input, const SweepSection& section, const PassTable& passes);

  Recipe base() const;                      // errors: recipe
  void set_threads(std::int64_t threads);   // of each trial
  // errors: recipe, naming the trial: what its values break, or a value that changes nothing.
  Recipe make(std::int64_t number, const Assignment& assignment) const;

 private:
  void check_used(const Recipe& recipe, const Assignment& assignment) const;
  void choose_data(Recipe& recipe) const;

  RecipeInput input_;
  const SweepSection& section_;
  const PassTable& passes_;
};

}  // namespace dsc::sweep
