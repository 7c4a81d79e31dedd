// dscompress opt, reduce: single passes on one graph, and graphs made small that show a failure.
#include "cli/opt.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "cli/recipe_options.h"
#include "core/file.h"
#include "core/log.h"
#include "core/names.h"
#include "core/printed.h"
#include "exec/foreign_error.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "pipeline/opt.h"
#include "pipeline/reduce.h"

namespace dsc {
namespace {

struct OptOptions {
  std::string model, weights, recipe, step, to, message;
  std::vector<std::string> inputs, passes;
  std::int64_t seed = 0;
  bool print = false;
};

struct SeededStep {
  PassStep step;
  std::uint64_t seed = 0;
};

struct Work {
  std::vector<SeededStep> steps;
  RunResources resources;
};

// From --pass, or a recipe's --step; data and metrics are the recipe's.
Work gather(const Session& session, const OptOptions& options) {
  Work work{.steps = {}, .resources = bare_resources()};
  const auto seed = static_cast<std::uint64_t>(options.seed);
  for (const auto& text : options.passes) work.steps.push_back({parse_step(text, session.passes), seed});
  if (options.recipe.empty()) {
    if (work.steps.empty()) throw Error(ErrorCode::usage, "no pass is named", {}, "give --pass 'prune: {reduce: {macs: 0.5}}', or --recipe RECIPE --step NAME");
    return work;
  }
  const Recipe recipe = load_recipe(RecipeOptions{.recipe = options.recipe, .overrides = {}, .vars_files = {}, .seed = {}, .limit = {}}, session);
  work.resources = resources_of(recipe, options.model, options.weights);
  if (!work.steps.empty()) return work;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    const PassStep& step = recipe.passes.steps[i];
    names.push_back(step.name);
    if (options.step.empty() || step.name == options.step) work.steps.push_back({step, step_seed(recipe, i)});
  }
  if (work.steps.empty()) throw Error(ErrorCode::usage, "the recipe has no step `" + options.step + "`", {.file = options.recipe}, suggest(options.step, names));
  return work;
}

void write(const Model& model, const std::string& path) {
  if (std::filesystem::path(path).extension() == ".txt") return write_file_atomically(path, print_graph(model.graph));
  if (std::filesystem::path(path).extension() == ".pt2") return write_pt2(model, path);
  throw Error(ErrorCode::usage, "graphs are written as .txt or .pt2", {.file = path}, "choose one of the two, or use the command export");
}

void print_result(const PassStep& step, const PassResult& result) {
  std::cerr << step.name << ": " << (result.changed ? "changed" : "nothing changed") << '\n';
  for (const auto& note : result.notes) std::cerr << "  " << note << '\n';
  for (const auto& statistic : result.statistics) {
    std::cerr << "  " << statistic.name << ' ' << printed("%.6g", statistic.value) << (statistic.unit.empty() ? "" : " " + statistic.unit) << '\n';
  }
}

int run_passes(const Session& session, const OptOptions& options) {
  Work work = gather(session, options);
  Model model = open_model_or_text(options.model, options.weights, options.inputs);
  for (const auto& [step, seed] : work.steps) print_result(step, run_alone(step, model, work.resources, seed));
  if (options.print) std::cout << print_graph(model.graph, {.metadata = false});
  if (!options.to.empty()) write(model, options.to);
  return 0;
}

// The first line of what the steps fail with on a copy of the model; empty: they do not.
std::string failure_of(const Model& model, Work& work) {
  try {
    Model copy = model.clone();
    for (const auto& [step, seed] : work.steps) run_alone(step, copy, work.resources, seed);
  } catch (const std::exception&) {
    return to_error(std::current_exception()).problems().front().message;
  }
  return "";
}

int reduce(const Session& session, const OptOptions& options) {
  Work work = gather(session, options);
  Model model = open_model_or_text(options.model, options.weights, options.inputs);
  const std::string failure = failure_of(model, work);
  if (failure.empty()) throw Error(ErrorCode::usage, "the passes do not fail on this model", {.file = options.model}, "reduce makes failures small; for what a pass does use opt");
  const std::string wanted = options.message.empty() ? failure : options.message;
  if (failure.find(wanted) == std::string::npos) throw Error(ErrorCode::usage, "the failure is another one: " + failure, {}, "leave --message out, or correct it");
  Progress progress("reduce");
  std::int64_t trials = 0;
  const auto reduction = reduce_model(model, [&](const Model& smaller) {
    progress.update("trials", ++trials, 0);
    return failure_of(smaller, work).find(wanted) != std::string::npos;
  });
  std::cerr << reduction.nodes_after << " of " << reduction.nodes_before << " nodes still show: " << failure_of(model, work) << '\n';
  if (options.to.empty()) std::cout << print_graph(model.graph, {.metadata = false});
  else write(model, options.to);
  return 0;
}

void add_shared_options(CLI::App& command, OptOptions& options) {
  command.add_option("MODEL", options.model, "Model file (.pt2, or TorchScript .pt), or the text form of a graph (.txt)")->required()->type_name("");
  add_input_option(command, options.inputs);
  command.add_option("--pass", options.passes, "Pass and options as in a recipe: 'prune: {reduce: {macs: 0.5}}'; may be given several times")
      ->type_name("PASS")
      ->allow_extra_args(false);
  command.add_option("--recipe", options.recipe, "Take data and metrics from this recipe, and its steps where no --pass is given")->type_name("RECIPE");
  command.add_option("--step", options.step, "Only this step of the recipe, with the seed that it has there")->type_name("NAME");
  command
      .add_option("--weights", options.weights,
                  "Tensors by name (.safetensors, or a checkpoint's folder); those of a text form are drawn from a seed without")
      ->type_name("FILE");
  command.add_option("--seed", options.seed, "Seed of --pass")->check(CLI::NonNegativeNumber)->type_name("N");
  command.add_option("--to", options.to, "Write the result: .txt (the graph's text form) or .pt2")->type_name("FILE");
}

}  // namespace

void add_opt_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<OptOptions>();
  auto* command = app.add_subcommand("opt", "Run single passes on a model or a graph's text, outside of a run");
  add_shared_options(*command, *options);
  command->add_flag("--print", options->print, "Print the graph afterwards");
  command->footer("Examples:\n  dscompress opt graph.txt --pass 'fuse: {}' --print\n"
                  "  dscompress opt runs/first/reproducer/model.pt2 --recipe runs/first/recipe.resolved.yaml --step prune");
  command->callback([&session, options] { session.run = [&session, options] { return run_passes(session, *options); }; });
}

void add_reduce_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<OptOptions>();
  auto* command = app.add_subcommand("reduce", "Make a model on which a pass fails small: remove nodes as long as it fails the same way");
  add_shared_options(*command, *options);
  command->add_option("--message", options->message, "Part of the message that has to stay; default: all of its first line")->type_name("TEXT");
  command->footer("Example:\n  dscompress reduce runs/first/reproducer/model.pt2 --recipe runs/first/recipe.resolved.yaml --step prune --to small.txt");
  command->callback([&session, options] { session.run = [&session, options] { return reduce(session, *options); }; });
}

}  // namespace dsc
