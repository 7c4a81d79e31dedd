#include "sweep/start.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/build_fingerprint.h"
#include "core/cores.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/names.h"
#include "core/tree_place.h"
#include "core/utc.h"
#include "pipeline/cache_folder.h"
#include "pipeline/gates.h"
#include "pipeline/plan.h"
#include "pipeline/step_cache.h"
#include "pipeline/sweep_config.h"
#include "sweep/outcome.h"
#include "sweep/sampler.h"
#include "sweep/trial_recipes.h"

namespace dsc::sweep {
namespace {

void check_processes(const SweepSection& section, const Recipe& recipe) {
  if (recipe.processes == 1 || !section.config.stop_early) return;
  throw Error(ErrorCode::recipe, "a trial of " + std::to_string(recipe.processes) + " processes cannot be stopped early",
              section.place("/sweep/stop_early"), "remove it, or processes");
}

void check_figures(const SweepSection& section, const Recipe& recipe) {
  check_processes(section, recipe);
  const auto known = measured_figures(recipe);
  std::vector<Problem> problems;
  for (const auto& [name, direction] : section.config.objectives) {
    if (std::ranges::find(known, name) != known.end()) continue;
    problems.push_back({"the objective `" + name + "` is measured by no trial", section.place(child_pointer("/sweep/objectives", name)),
                        name == "latency_p50" ? "add evaluate.latency" : "add it to evaluate.metrics; " + suggest(name, known)});
  }
  for (auto problem : check_gate_section(recipe, section.config.constraints, {"/sweep/constraints", "constraint"})) {
    problem.place = section.place(problem.place.pointer);
    problems.push_back(std::move(problem));
  }
  if (!problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
}

std::map<std::string, Direction> objectives_of(const SweepSection& section, const Recipe& recipe) {
  auto objectives = section.config.objectives;
  if (!objectives.empty()) return objectives;
  for (const auto& metric : recipe.evaluate.metrics) objectives[metric] = larger_is_better(metric) ? Direction::maximize : Direction::minimize;
  objectives["size"] = Direction::minimize;
  return objectives;
}

// The step must be there, and one objective must be a metric that it measures.
std::string stop_metric(const SweepSection& section, const Recipe& recipe, const std::map<std::string, Direction>& objectives) {
  if (!section.config.stop_early) return {};
  const auto& after = section.config.stop_early->after;
  std::vector<std::string> steps, metrics;
  for (const auto& step : recipe.passes.steps) steps.push_back(step.name);
  if (std::ranges::find(steps, after) == steps.end()) throw Error(ErrorCode::recipe, "there is no step `" + after + "`", section.place("/sweep/stop_early/after"), suggest(after, steps));
  if (steps.back() == after) throw Error(ErrorCode::recipe, "`" + after + "` is the last step: nothing is left to stop", section.place("/sweep/stop_early/after"), "name an earlier one");
  for (const auto& [name, unused] : objectives) {
    if (std::ranges::find(recipe.evaluate.metrics, name) != recipe.evaluate.metrics.end()) metrics.push_back(name);
  }
  if (metrics.size() == 1) return metrics.front();
  throw Error(ErrorCode::recipe, metrics.empty() ? "no objective is a metric that a step measures" : "several objectives are metrics: which one decides?", section.place("/sweep/stop_early"), "one of evaluate.metrics must be an objective");
}

// Timing beside other trials measures those.
void check_quiet(const SweepSection& section, const std::map<std::string, Direction>& objectives, std::int64_t workers) {
  const bool timed = objectives.contains("latency_p50") || section.config.constraints.contains("latency_p50");
  if (!timed || workers <= 1) return;
  throw Error(ErrorCode::usage, "latency_p50 is measured in each trial, and " + std::to_string(workers) + " workers would disturb each other", section.place("/sweep/objectives"),
              "use --workers 1, or choose by macs and size and measure the front with dscompress bench");
}

std::vector<Assignment> trials_of(const SweepSection& section, const Recipe& recipe, std::vector<std::string>& notes) {
  for (const auto& [path, unused] : section.config.parameters) {
    if (path == "sweep" || path.starts_with("sweep.") || path == "output_dir") {
      throw Error(ErrorCode::recipe, "`" + path + "` is no value of a trial", section.place(child_pointer("/sweep/parameters", path)), "sweep over vars and options of passes");
    }
  }
  auto config = section.config;
  if (is_sampled(config.method)) {  // one draw, to check it
    config.method = SweepMethod::random;
    config.limits.trials = 1;
  }
  try {
    auto trials = make_trials(config, static_cast<std::uint64_t>(recipe.seed));
    notes.insert(notes.end(), trials.notes.begin(), trials.notes.end());
    return std::move(trials.assignments);
  } catch (const Error& error) {
    auto problems = error.problems();
    for (auto& problem : problems) problem.place = section.place(problem.place.pointer);
    throw Error(error.code(), std::move(problems));
  }
}

// How many first states each trial has in common with another one.
std::vector<std::int64_t> shared_states(const std::vector<std::vector<std::string>>& prefixes) {
  std::map<std::string, int> counts;
  for (const auto& trial : prefixes) {
    for (const auto& prefix : trial) ++counts[prefix];
  }
  std::vector<std::int64_t> shared;
  for (const auto& trial : prefixes) {
    shared.push_back(std::ranges::count_if(trial, [&](const std::string& prefix) { return counts.at(prefix) > 1; }));
  }
  return shared;
}

struct Queue {
  std::vector<Trial> trials;
  std::vector<std::string> recipes;  // resolved, as text
};

// errors: recipe, for the first trial that cannot be one.
Queue make_queue(const TrialRecipes& recipes, const SweepSection& section, const std::vector<Assignment>& assignments) {
  Queue queue;
  std::vector<std::vector<std::string>> prefixes;
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i) + 1;
    const auto recipe = recipes.make(number, assignments[i]);
    check_processes(section, recipe);
    prefixes.push_back(recipe_prefixes(recipe));
    queue.recipes.push_back(dump_recipe(recipe));
    queue.trials.push_back({number, assignments[i]});
  }
  const auto shared = shared_states(prefixes);
  for (std::size_t i = 0; i < shared.size(); ++i) queue.trials[i].shared_states = shared[i];
  return queue;
}

}  // namespace

Override parse_multirun(const std::string& text) {
  auto parameters = map_tree();
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto start = rest.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    rest.remove_prefix(start);
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos || equals == 0) throw Error(ErrorCode::usage, "--multirun: expected path=value,value, found `" + std::string(rest) + "`", {}, "e.g. --multirun 'vars.cut=0.3,0.5 vars.bits=4,8'");
    const std::string path(rest.substr(0, equals));
    rest.remove_prefix(equals + 1);
    auto values = list_tree();
    std::string value;
    int depth = 0;
    bool ended = false;
    while (!ended) {
      const char c = rest.empty() ? ' ' : rest.front();
      if (!rest.empty()) rest.remove_prefix(1);
      depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
      ended = rest.empty() ? true : c == ' ' && depth <= 0;
      const bool separates = depth <= 0 && (c == ',' || c == ' ');
      if (!separates) value += c;
      if (!separates && !ended) continue;
      std::vector<Problem> ignored;
      values.items.push_back(read_yaml(value, std::make_shared<TreeSource>(TreeSource{.name = "--multirun", .folder = {}}), ignored));
      value.clear();
    }
    parameters.add(path, map_tree({{"values", std::move(values)}}));
  }
  return {"sweep.parameters", to_json(parameters, -1), "--multirun"};
}

namespace {

Settings settings_of(const StartOptions& options, const SweepSection& section, const Recipe& base) {
  const auto& config = section.config;
  Settings settings{.recipe = absolute_path(options.input.path), .name = base.name, .build = build_fingerprint(), .started_at = utc_time("%Y-%m-%dT%H:%M:%SZ")};
  settings.method = config.method;
  settings.objectives = objectives_of(section, base);
  settings.constraints = constraints_text(config.constraints);
  settings.choose_on = config.choose_on;
  settings.stop_early = config.stop_early;
  settings.stop_metric = stop_metric(section, base, settings.objectives);
  settings.seeds = config.seeds;
  settings.limits = config.limits;
  settings.workers = options.workers;
  const auto sharing = static_cast<int>(std::max<std::int64_t>(1, options.workers) * base.processes);
  settings.threads = options.threads > 0 ? options.threads : base.threads > 0 ? base.threads : cores_for_each(sharing);
  settings.cache = absolute_path(options.cache ? *options.cache : user_cache_folder());
  settings.tensorboard = std::ranges::find(base.report.formats, "tensorboard") != base.report.formats.end();
  for (const auto& file : options.input.vars_files) settings.vars_files.push_back(absolute_path(file));
  settings.overrides = options.input.overrides;
  for (const auto& file : base.files) settings.files[file] = fingerprint_path(file);
  return settings;
}

std::vector<std::string> paths_of(const std::vector<Assignment>& assignments) {
  std::set<std::string> paths;
  for (const auto& assignment : assignments) {
    for (const auto& [path, unused] : assignment) paths.insert(path);
  }
  return {paths.begin(), paths.end()};
}

}  // namespace

DriverLock start_sweep(const StartOptions& options, const PassTable& passes) {
  const Folder folder(options.out);
  folder.check_new();
  const auto section = load_sweep_section(options.input);
  TrialRecipes recipes(options.input, section, passes);
  const auto base = recipes.base();
  check_figures(section, base);
  auto settings = settings_of(options, section, base);
  check_quiet(section, settings.objectives, options.workers);
  recipes.set_threads(settings.threads);
  auto assignments = trials_of(section, base, settings.notes);
  settings.parameters = paths_of(assignments);
  const auto first = recipes.make(1, assignments.front());
  if (base.processes > 1 && !settings.cache.empty())
    settings.notes.push_back("trials run in " + std::to_string(base.processes) +
                             " processes each: steps that they share are computed in each of them");
  if (is_sampled(settings.method)) {
    start_optuna(settings.method, base.seed, make_axes(section.config, false), settings.objectives);  // if it is missing, that is said now
    assignments.clear();
  }
  const auto queue = make_queue(recipes, section, assignments);
  for (const auto& note : settings.notes) log_info(note);
  make_plan(first);  // what would stop the trials stops the sweep
  make_folders(options.out);
  DriverLock lock(folder);
  folder.check_new();
  folder.create();
  for (std::size_t i = 0; i < queue.trials.size(); ++i) folder.write_trial(queue.trials[i], queue.recipes[i]);
  if (!is_sampled(settings.method)) folder.write_complete();
  write_file_atomically(folder.file("queue/base.yaml"), dump_recipe(recipes.base()));
  folder.write_settings(settings);
  return lock;
}

}  // namespace dsc::sweep
