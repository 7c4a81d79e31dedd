// dscompress run RECIPE, and resume DIR.
#include "pipeline/runner.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>

#include "cli/checkpoint.h"
#include "cli/ci.h"
#include "cli/processes.h"
#include "cli/recipe_options.h"
#include "cli/sweep.h"
#include "core/log.h"
#include "exec/executor.h"
#include "pipeline/plan.h"
#include "pipeline/run_folder.h"

namespace dsc {
namespace {

struct RunCommand {
  RecipeOptions recipe;
  std::string output_dir, summary, cache;
  bool dry_run = false;
};

int print_result(const RunSummary& summary, bool json) {
  if (json) {
    std::cout << report_json(summary.report);
    return summary.exit_status;
  }
  std::cout << report_summary(summary.report) << '\n';
  for (const auto& gate : summary.report.gates) std::cout << (gate.passed ? "gate passed: " : "gate FAILED: ") << gate.message << '\n';
  for (const auto& note : summary.report.notes) std::cout << note << '\n';
  std::cout << "report: " << summary.main_report << '\n';
  return summary.exit_status;
}

// Runs `body`; the summary says how it ended, whatever happened.
int run_summarized(const std::string& summary_file, bool json, const std::function<RunSummary()>& body) {
  try {
    const auto summary = body();
    append_summary(summary_file, report_markdown(summary.report));
    for (const auto& gate : summary.report.gates) {
      if (!gate.passed) annotate("gate failed: " + gate.message);
    }
    return print_result(summary, json);
  } catch (const Error& error) {
    append_summary(summary_file, error);
    throw;
  }
}

// The same, where the first of several processes shows it for all.
int run_shown(const Ranks& ranks, const std::string& summary_file, bool json, const std::function<RunSummary()>& body) {
  return ranks.is_first() ? run_summarized(summary_file, json, body) : body().exit_status;
}

int run(const Session& session, const RunCommand& command) {
  const auto action = command.dry_run ? CheckpointAction::plan : CheckpointAction::convert;
  if (const auto status = run_checkpoint_recipe(session, command.recipe, action, command.output_dir)) return *status;
  const auto shared = load_shared_recipe(command.recipe, session);
  const auto& recipe = shared.recipe;
  if (command.dry_run) {
    std::cout << plan_text(make_plan(recipe));
    return 0;
  }
  RunOptions options{.output_dir = command.output_dir.empty() ? recipe.output_dir.path : command.output_dir, .plugins = session.plugins, .cache = command.cache};
  return run_in_processes(session, shared, [&](Ranks& ranks) {
    options.ranks = &ranks;
    return run_shown(ranks, command.summary, session.json, [&] { return run_recipe(recipe, options); });
  });
}

int resume(const Session& session, const std::string& folder, const std::string& summary, const ResumeSweep& sweep) {
  if (const auto status = resume_sweep(session, folder, sweep)) return *status;
  if (const auto status = resume_checkpoint(session, folder)) return *status;
  const RunFolder files(folder);
  files.check_resumable();
  SharedRecipe shared{load_recipe(RecipeInput{.path = files.resolved_recipe(), .vars_files = {}, .overrides = {}}, session.passes), std::nullopt};
  shared.member = find_resumed(session, shared.recipe);
  set_threads(static_cast<int>(shared.recipe.threads));
  return run_in_processes(session, shared, [&](Ranks& ranks) {
    const RunOptions options{.output_dir = folder, .plugins = session.plugins, .ranks = &ranks};
    return run_shown(ranks, summary, session.json, [&] { return resume_run(shared.recipe, folder, options); });
  });
}

}  // namespace

void add_run_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<RunCommand>();
  auto* sub = app.add_subcommand("run", "Run a recipe: all passes, evaluation, deployment, report");
  add_recipe_options(*sub, command->recipe);
  add_processes_option(*sub, command->recipe);
  sub->add_option("-o,--output-dir", command->output_dir, "Run folder; default: runs/NAME-TIME")->type_name("DIR");
  sub->add_option("--cache", command->cache, "Folder of a step cache: steps that another run computed with the same content are taken from it")->type_name("DIR");
  add_summary_option(*sub, command->summary);
  sub->add_flag("--dry-run", command->dry_run, "Check everything and print the plan, train nothing, write nothing");
  sub->add_flag("--json", session.json, "Print the report as JSON instead of its summary");
  sub->footer("Examples:\n  dscompress run recipe.yaml --output-dir out --set passes.0.prune.steps=3 --seed 1\n"
              "  dscompress run recipe.yaml --limit 500 --output-dir smoke\n"
              "  dscompress run recipe.yaml --processes 4\n"
              "  torchrun --nproc-per-node 4 --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500 --no-python dscompress run recipe.yaml\n"
              "  srun --nodes 2 --ntasks 8 --kill-on-bad-exit=1 dscompress run recipe.yaml --processes 8");
  sub->callback([&session, command] { session.run = [&session, command] { return run(session, *command); }; });
}

void add_resume_command(CLI::App& app, Session& session) {
  auto folder = std::make_shared<std::string>();
  auto summary = std::make_shared<std::string>();
  auto sweep = std::make_shared<ResumeSweep>();
  auto* sub = app.add_subcommand("resume", "Go on with an interrupted run or sweep; the result is that of an uninterrupted one");
  sub->add_option("DIR", *folder, "Run folder, or a sweep's")->required()->type_name("");
  add_summary_option(*sub, *summary);
  sub->add_option("--workers", sweep->workers, "Of a sweep: processes that take trials; default: as before")->check(CLI::Range(0, 1024))->type_name("N");
  sub->add_flag("--retry-failed", sweep->retry_failed, "Of a sweep: run failed trials again");
  sub->add_flag("--json", session.json, "Print the report as JSON instead of its summary");
  sub->footer("Refuses when model, data, recipe or build differ from the interrupted run's, and says which.\n\nExample:\n  dscompress resume out");
  sub->callback([&session, folder, summary, sweep] { session.run = [&session, folder, summary, sweep] { return resume(session, *folder, *summary, *sweep); }; });
}

}  // namespace dsc
