#include "cli/processes.h"

#include <CLI/CLI.hpp>

#include "core/cores.h"
#include "core/log.h"
#include "exec/executor.h"
#include "exec/foreign_error.h"
#include "parallel/launcher.h"

namespace dsc {
namespace {

bool is_follower(const std::optional<Membership>& member) { return member && member->rank > 0; }

// What the first process says needs no saying again.
void quieten(const Session& session) { configure_log({.quiet = true, .json = session.log_json, .color = !session.no_color}); }

int launch(const Session& session, std::int64_t processes) {
  const auto result = launch_ranks(session.arguments, processes);
  for (const auto& note : result.notes) log_error(note);
  return result.status;
}

// What ends one process ends all, and is said once: by the first one, as long as that is there.
int run_as_member(const Membership& member, const std::function<int(Ranks&)>& body) {
  std::unique_ptr<Ranks> ranks;
  try {
    ranks = join_group(member);
    const int status = body(*ranks);
    ranks->part();
    return status;
  } catch (const std::exception&) {
    const Error error = to_error(std::current_exception());
    tell_launcher(member, error);
    if (ranks && ranks->announce(error)) return exit_status(error.code());
    throw error;
  }
}

}  // namespace

void add_processes_option(CLI::App& command, RecipeOptions& options) {
  command.add_option("--processes", options.processes, "Processes on this machine that train together; default: as the recipe says, or 1. Threads are those of each: cores / N")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}

SharedRecipe load_shared_recipe(RecipeOptions options, const Session& session) {
  SharedRecipe shared{load_recipe(recipe_input(options, session), session.passes), std::nullopt};
  auto& recipe = shared.recipe;
  shared.member = find_membership(recipe.processes);
  if (shared.member && shared.member->size != recipe.processes) {
    options.processes = shared.member->size;
    recipe = load_recipe(recipe_input(options, session), session.passes);
  }
  if (is_follower(shared.member)) quieten(session);
  const bool is_first = shared.member ? shared.member->rank == 0 : recipe.processes == 1;
  for (const auto& note : recipe.notes) {
    if (is_first) log_warning(note);
  }
  const auto sharing = shared.member ? shared.member->local_size : recipe.processes;
  if (recipe.threads == 0) recipe.threads = cores_for_each(static_cast<int>(sharing));
  set_threads(static_cast<int>(recipe.threads));
  return shared;
}

std::optional<Membership> find_resumed(const Session& session, const Recipe& recipe) {
  auto member = find_membership(recipe.processes);
  if (is_follower(member)) quieten(session);
  return member;
}

int run_in_processes(const Session& session, const SharedRecipe& shared, const std::function<int(Ranks&)>& body) {
  const auto& member = shared.member;
  if (!member && shared.recipe.processes > 1) return launch(session, shared.recipe.processes);
  return member && member->size > 1 ? run_as_member(*member, body) : body(alone());
}

}  // namespace dsc
