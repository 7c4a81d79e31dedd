#include "cli/recipe_options.h"

#include <CLI/CLI.hpp>

#include "core/cores.h"
#include "core/log.h"
#include "exec/executor.h"

namespace dsc {

void add_recipe_options(CLI::App& command, RecipeOptions& options) {
  command.add_option("RECIPE", options.recipe, "Recipe file (YAML or JSON)")->required()->type_name("");
  command.add_option("--set", options.overrides, "Set a value: --set passes.0.prune.steps=3; may be given several times")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command.add_option("--vars-file", options.vars_files, "File with variables that win over the recipe's")->type_name("FILE")->allow_extra_args(false);
  command.add_option("--seed", options.seed, "Seed of everything random")->type_name("N");
  command.add_option("--limit", options.limit, "At most so many examples per split, for smoke runs")->check(CLI::PositiveNumber)->type_name("N");
}

RecipeInput recipe_input(const RecipeOptions& options, const Session& session) {
  RecipeInput input{.path = options.recipe, .vars_files = options.vars_files, .overrides = {}};
  for (const auto& text : options.overrides) input.overrides.push_back(parse_override(text));
  const auto override_with = [&](const char* path, std::int64_t value, const char* origin) {
    input.overrides.push_back({path, std::to_string(value), origin});
  };
  if (options.seed) override_with("seed", *options.seed, "--seed");
  if (options.limit) override_with("limit", *options.limit, "--limit");
  if (options.processes) override_with("processes", *options.processes, "--processes");
  if (session.threads > 0) override_with("threads", session.threads, "--threads");
  if (!session.device.empty()) input.overrides.push_back({"device", session.device, "--device"});
  return input;
}

Recipe load_recipe(const RecipeOptions& options, const Session& session) {
  auto recipe = load_recipe(recipe_input(options, session), session.passes);
  for (const auto& note : recipe.notes) log_warning(note);
  if (recipe.threads == 0) recipe.threads = available_cores();
  set_threads(static_cast<int>(recipe.threads));
  return recipe;
}

}  // namespace dsc
