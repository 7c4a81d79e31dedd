// dscompress sweep RECIPE: trials over a recipe's values; sweep --worker DIR; resume and report of a sweep.
#include "cli/sweep.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "cli/recipe_options.h"
#include "core/cores.h"
#include "core/file.h"
#include "core/log.h"
#include "core/utc.h"
#include "report/sweep_report.h"
#include "sweep/driver.h"
#include "sweep/front_eval.h"
#include "sweep/sampler.h"
#include "sweep/start.h"
#include "sweep/summary.h"
#include "sweep/worker.h"

namespace dsc {
namespace {

struct SweepCommand {
  RecipeOptions recipe;
  std::string output_dir, multirun, worker, cache;
  std::int64_t workers = 1;
  bool no_cache = false;
};

void print_rows(const SweepReport& report, const std::vector<std::size_t>& trials) { std::cout << format_table(sweep_table(report, trials)); }

int print_sweep(const Session& session, const sweep::Folder& folder) {
  constexpr std::size_t kMostRows = 60;
  const auto report = sweep::collect_report(folder);
  if (session.json) {
    std::cout << sweep_json(report);
    return 0;
  }
  std::vector<std::size_t> all(report.trials.size());
  std::iota(all.begin(), all.end(), 0U);
  const auto front = pareto_front(report);
  if (all.size() <= kMostRows) {
    print_rows(report, all);
  } else {
    print_rows(report, front);
    std::cout << "the front alone; all trials: " << folder.file("trials.csv") << '\n';
  }
  std::cout << '\n' << sweep_summary(report) << (front.empty() ? "" : " (*)") << '\n';
  for (const auto& note : report.notes) std::cout << note << '\n';
  std::cout << "report: " << folder.file("sweep.html") << '\n';
  return 0;
}

std::vector<std::string> worker_arguments(const Session& session) {
  std::vector<std::string> arguments = {"--no-color"};
  if (session.verbose) arguments.emplace_back("--verbose");
  for (const auto& plugin : session.plugins) arguments.insert(arguments.end(), {"--plugin", absolute_path(plugin)});
  return arguments;
}

int drive_and_print(const Session& session, const sweep::Folder& folder, std::int64_t workers) {
  std::optional<sweep::Sampler> sampler;
  if (sweep::is_sampled(folder.read_settings().method)) sampler.emplace(folder, session.passes);
  const int status = sweep::drive(folder, {.workers = workers, .arguments = worker_arguments(session), .sampler = sampler ? &*sampler : nullptr});
  sweep::evaluate_front(folder, session.passes);
  sweep::write_last_tables(folder);
  print_sweep(session, folder);
  return status;
}

sweep::StartOptions start_options(const Session& session, const SweepCommand& command) {
  sweep::StartOptions options{.input = recipe_input(command.recipe, session), .out = command.output_dir, .workers = command.workers, .threads = session.threads};
  if (!command.multirun.empty()) options.input.overrides.push_back(sweep::parse_multirun(command.multirun));
  if (options.out.empty()) options.out = "runs/" + std::filesystem::path(command.recipe.recipe).stem().string() + "-sweep-" + utc_time("%Y%m%d-%H%M%S");
  if (command.no_cache) options.cache = "";
  else if (!command.cache.empty()) options.cache = command.cache;
  return options;
}

int run(const Session& session, const SweepCommand& command) {
  if (!command.worker.empty()) {
    sweep::run_worker(sweep::Folder(command.worker), session.passes, session.plugins);
    return 0;
  }
  if (command.recipe.recipe.empty()) throw Error(ErrorCode::usage, "sweep needs a recipe", {}, "dscompress sweep RECIPE -o DIR, or for one more worker dscompress sweep --worker DIR");
  const auto options = start_options(session, command);
  const auto lock = sweep::start_sweep(options, session.passes);
  log_info("sweep folder: " + options.out);
  return drive_and_print(session, sweep::Folder(options.out), options.workers);
}

void retry_failed(const sweep::Folder& folder) {
  for (const auto number : folder.queued()) {
    if (!folder.has_result(number) || !folder.read_result(number).failed) continue;
    std::filesystem::remove_all(folder.run_folder(number, std::nullopt));
    folder.remove_result(number);
  }
}

}  // namespace

std::optional<int> resume_sweep(const Session& session, const std::string& path, const ResumeSweep& options) {
  if (!sweep::Folder::is_sweep(path)) return std::nullopt;
  const sweep::Folder folder(path);
  const auto settings = folder.read_settings();
  const sweep::DriverLock lock(folder);
  if (options.retry_failed) retry_failed(folder);
  return drive_and_print(session, folder, options.workers.value_or(settings.workers));
}

std::optional<int> report_sweep(const Session& session, const std::string& path, bool markdown) {
  if (!sweep::Folder::is_sweep(path)) return std::nullopt;
  if (!markdown) return print_sweep(session, sweep::Folder(path));
  std::cout << sweep_markdown(sweep::collect_report(sweep::Folder(path)));
  return 0;
}

void add_sweep_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<SweepCommand>();
  auto* sub = app.add_subcommand("sweep", "Run a recipe again and again with other values: its `sweep` section says which, and what is looked for");
  add_recipe_options(*sub, command->recipe);
  sub->get_option("RECIPE")->required(false);
  sub->add_option("-o,--output-dir", command->output_dir, "Folder of the sweep; default: runs/NAME-sweep-TIME")->type_name("DIR");
  sub->add_option("--workers", command->workers, "Processes that take trials; the cores are shared among them; 0: none here, others start them (sweep --worker)")->check(CLI::Range(0, 1024))->type_name("N");
  sub->add_option("--multirun", command->multirun, "Parameters of a grid in short, in place of the recipe's: 'vars.cut=0.3,0.5 vars.bits=4,8'")->type_name("TEXT");
  auto* cache = sub->add_option("--cache", command->cache, "Folder of the step cache, which sweeps and runs share; default: your own, ~/.cache/dscompress/steps (dscompress cache)")->type_name("DIR");
  sub->add_flag("--no-cache", command->no_cache, "Compute steps that trials share in each of them")->excludes(cache);
  sub->add_option("--worker", command->worker, "Take trials of the sweep in this folder until none is left: one more worker, on any machine that shares the folder")->type_name("DIR");
  sub->add_flag("--json", session.json, "Print the result as JSON");
  sub->footer("Examples:\n  dscompress sweep recipe.yaml -o out --workers 4\n  dscompress sweep recipe.yaml -o out --multirun 'vars.cut=0.3,0.5 vars.bits=4,8'\n"
              "  dscompress sweep recipe.yaml -o out --set sweep.method=random --set sweep.limits.trials=40\n  ssh node1 dscompress sweep --worker /shared/out\n"
              "  dscompress resume out          # after Ctrl-C or a kill; the same trials, the same front");
  sub->callback([&session, command] { session.run = [&session, command] { return run(session, *command); }; });
}

}  // namespace dsc
