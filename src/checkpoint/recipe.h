// Recipes with a `checkpoint` section, and the same options from the command line alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/options.h"
#include "core/compose.h"

namespace dsc::checkpoint {

struct Recipe {
  std::int64_t version = 1;
  Options checkpoint;
  std::int64_t threads = 0;  // 0: all cores
  FilePath output_dir;
  void fields(FieldVisitor& visit);

  std::shared_ptr<const Tree> source;  // where each value stands; not part of the text
};

// none: the file is no checkpoint recipe, or no recipe at all. errors: recipe, with all independent problems.
std::optional<Recipe> find_recipe(const ComposeInput& input);
// The recipe that a folder and overrides amount to; paths of overrides start at the section: "weights.bits".
Recipe recipe_for(const std::string& folder, const std::vector<Override>& overrides);
// An override of the section's options, written as one of the recipe.
Override below_section(Override override);
// Fills in where in the recipe the problems' pointers lead.
Error with_places(const Recipe& recipe, const Error& error);

std::string recipe_schema();

}  // namespace dsc::checkpoint
