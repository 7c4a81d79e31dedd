// From a sweep's parameters to the trials of a grid, a list, or random draws. The same section and seed give the same trials.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/sweep_config.h"

namespace dsc::sweep {

// What one trial sets: path -> YAML.
using Assignment = std::map<std::string, std::string>;

// The points of a parameter in a grid. errors: recipe, for a range without count or step.
std::vector<std::string> grid_points(const std::string& path, const SweepParameter& parameter);

// Whether the assignment meets all conditions. errors: recipe.
bool meets_conditions(const SweepConfig& config, const Assignment& assignment);

struct Trials {
  std::vector<Assignment> assignments;
  std::vector<std::string> notes;  // trials that limits or equal draws left out
};
// For grid, list and random. Pointers of problems lead into the recipe. errors: recipe: nothing to try, groups of `zip` of
// different lengths, conditions that leave nothing.
Trials make_trials(const SweepConfig& config, std::uint64_t seed);

// What a sampler may choose from: zipped groups and whole numbers included, `where` left out. errors: recipe.
struct Axis {
  std::vector<std::string> paths;                // one, or those that advance together
  std::vector<std::vector<std::string>> points;  // for each point the values of the paths; empty: a continuous range
  double low = 0, high = 0;                      // of a continuous range
  bool logarithmic = false;
};
std::vector<Axis> make_axes(const SweepConfig& config, bool grid);

// A number as a recipe has it: 12 digits at most, so that 0.1 + 0.2 is 0.3.
std::string neat_number(double value);

}  // namespace dsc::sweep
