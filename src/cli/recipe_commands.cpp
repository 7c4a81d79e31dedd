// dscompress validate, plan, init: what can be said of a recipe without running it.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/checkpoint.h"
#include "cli/processes.h"
#include "cli/recipe_options.h"
#include "core/file.h"
#include "core/log.h"
#include "pipeline/plan.h"

namespace dsc {
namespace {

int validate(const Session& session, const RecipeOptions& options, bool shallow) {
  if (const auto status = run_checkpoint_recipe(session, options, CheckpointAction::check, {})) return *status;
  const auto recipe = load_recipe(options, session);
  if (!shallow) {
    const auto made = make_plan(recipe);
    for (const auto& note : made.notes) log_info(note);
    for (const auto& step : made.steps) {
      for (const auto& note : step.notes) log_info(step.name + ": " + note);
    }
  }
  if (session.json) {
    std::cout << dump_recipe_json(recipe);
  } else {
    std::cout << options.recipe << ": " << (shallow ? "the recipe is" : "recipe, models and data are") << " fine; passes: " << recipe.passes.steps.size() << '\n';
  }
  return 0;
}

int plan(const Session& session, const RecipeOptions& options) {
  if (const auto status = run_checkpoint_recipe(session, options, CheckpointAction::plan, {})) return *status;
  const auto made = make_plan(load_recipe(options, session));
  std::cout << (session.json ? plan_json(made) : plan_text(made));
  return 0;
}

int init(const Session& session, const std::string& path, const StarterOptions& options) {
  const auto text = starter_recipe(session.passes, options);
  if (path.empty()) {
    std::cout << text;
    return 0;
  }
  if (std::filesystem::exists(path)) throw Error(ErrorCode::usage, "the file exists", {.file = path}, "choose another name, or remove it");
  write_file_atomically(path, text);
  std::cout << "wrote " << path << "; check it with: dscompress validate " << path << '\n';
  return 0;
}

}  // namespace

void add_validate_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<RecipeOptions>();
  auto shallow = std::make_shared<bool>(false);
  auto* sub = app.add_subcommand("validate", "Check a recipe, its models and its data, and rehearse its passes; train nothing");
  add_recipe_options(*sub, *options);
  add_processes_option(*sub, *options);
  sub->add_flag("--recipe-only", *shallow, "Do not open models and data");
  sub->add_flag("--json", session.json, "Print the resolved recipe as JSON");
  sub->footer("Examples:\n  dscompress validate recipe.yaml\n  dscompress validate recipe.yaml --recipe-only --json");
  sub->callback([&session, options, shallow] { session.run = [&session, options, shallow] { return validate(session, *options, *shallow); }; });
}

void add_plan_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<RecipeOptions>();
  auto* sub = app.add_subcommand("plan", "Print the steps with predicted MACs, size and memory; train nothing");
  add_recipe_options(*sub, *options);
  add_processes_option(*sub, *options);
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Example:\n  dscompress plan recipe.yaml --set passes.0.prune.reduce.macs=0.5");
  sub->callback([&session, options] { session.run = [&session, options] { return plan(session, *options); }; });
}

void add_init_command(CLI::App& app, Session& session) {
  auto path = std::make_shared<std::string>();
  auto options = std::make_shared<StarterOptions>();
  auto* sub = app.add_subcommand("init", "Write a first recipe with comments");
  sub->add_option("FILE", *path, "File to write; default: print it")->type_name("");
  sub->add_option("--model", options->model, "Model file to name in it")->capture_default_str();
  sub->add_option("--data", options->data, "Data folder to name in it")->capture_default_str();
  sub->add_option("--format", options->format, "Data format to name in it")->capture_default_str();
  sub->footer("Example:\n  dscompress init recipe.yaml --model resnet20.pt2 --data cifar10");
  sub->callback([&session, path, options] { session.run = [&session, path, options] { return init(session, *path, *options); }; });
}

}  // namespace dsc
