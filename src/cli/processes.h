// A run in several processes: started by this one, or found started by torchrun or srun.
#pragma once

#include <functional>
#include <optional>

#include "cli/recipe_options.h"
#include "cli/session.h"
#include "parallel/group.h"

namespace dsc {

// --processes; for commands that run a recipe, or tell what a run would do.
void add_processes_option(CLI::App& command, RecipeOptions& options);

// The recipe as the processes of a group run it, and which of them this one is; none: it was started alone.
// All but the first are quiet from here on.
struct SharedRecipe {
  Recipe recipe;
  std::optional<Membership> member;
};
SharedRecipe load_shared_recipe(RecipeOptions options, const Session& session);

// Which of the processes of a resumed run this one is. errors: usage, when others were started than the run had.
std::optional<Membership> find_resumed(const Session& session, const Recipe& recipe);

// Starts the run's processes as copies of this one and waits for them; or, in each of them, meets the others and runs `body`.
// returns: the exit status.
int run_in_processes(const Session& session, const SharedRecipe& shared, const std::function<int(Ranks&)>& body);

}  // namespace dsc
