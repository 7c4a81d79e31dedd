// Options shared by the subcommands that take a recipe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.h"
#include "pipeline/recipe.h"

namespace dsc {

struct RecipeOptions {
  std::string recipe;
  std::vector<std::string> overrides, vars_files;
  std::optional<std::int64_t> seed, limit;
  std::optional<std::int64_t> processes;  // cli/processes.h
};

void add_recipe_options(CLI::App& command, RecipeOptions& options);

// The recipe with all overrides, not loaded yet.
RecipeInput recipe_input(const RecipeOptions& options, const Session& session);

// Loads the recipe with all overrides; the session's threads and device are overrides like any other, so that the
// resolved recipe says everything. Also sets LibTorch's threads.
Recipe load_recipe(const RecipeOptions& options, const Session& session);

}  // namespace dsc
