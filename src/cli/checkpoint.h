// The command `checkpoint`, and recipes with such a section for the commands that take any recipe.
#pragma once

#include <optional>
#include <string>

#include "cli/recipe_options.h"

namespace dsc {

void add_checkpoint_command(CLI::App& app, Session& session);

enum class CheckpointAction : std::uint8_t { check, plan, convert };

// none: the recipe has no such section. returns: the exit status.
std::optional<int> run_checkpoint_recipe(const Session& session, const RecipeOptions& options, CheckpointAction action, const std::string& out);
// none: no conversion to `folder` waits to be continued.
std::optional<int> resume_checkpoint(const Session& session, const std::string& folder);

}  // namespace dsc
