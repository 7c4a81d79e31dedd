#include "pipeline/runner.h"

#include <filesystem>
#include <functional>

#include "core/log.h"
#include "core/utc.h"
#include "exec/foreign_error.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "pipeline/run_folder.h"
#include "pipeline/run_log.h"

namespace dsc {
namespace {

void check_ranks(const Recipe& recipe, const RunOptions& options) {
  const auto started = ranks_of(options).size();
  if (recipe.processes != started) {
    throw Error(ErrorCode::usage,
                "the recipe asks for " + std::to_string(recipe.processes) + " processes, and " + std::to_string(started) + " run it",
                recipe.place_of("/processes"), "dscompress run starts as many as it asks for");
  }
  if (started > 1 && !options.cache.empty()) throw Error(ErrorCode::usage, "a step cache serves one process, and the recipe asks for " + std::to_string(started), {}, "leave out --cache or --processes");
}

// Runs `body`; a failure is recorded in the run folder, and the message says how to go on.
RunSummary run_recorded(Run& run, const std::string& folder, const std::function<RunSummary()>& body) {
  try {
    return body();
  } catch (const std::exception&) {
    const Error error = to_error(std::current_exception());
    run.record_failure(error);
    if (std::filesystem::exists(CheckpointPaths(folder).step)) log_info("go on with this run: dscompress resume " + folder);
    throw error;
  }
}

RunFolder folder_of(const Recipe& recipe, const std::string& path, const Ranks& ranks) {
  return ranks.is_first() ? RunFolder(path, recipe.report.formats) : RunFolder::for_reading(path);
}

}  // namespace

RunSummary run_recipe(const Recipe& recipe, const RunOptions& options) {
  check_ranks(recipe, options);
  auto& ranks = ranks_of(options);
  Plan plan;
  const auto path = from_first(ranks, [&] {
    const auto chosen = options.output_dir.empty() ? "runs/" + recipe.name + "-" + utc_time("%Y%m%d-%H%M%S") : options.output_dir;
    RunFolder::check_new(chosen);
    plan = make_plan(recipe);  // a rehearsal finds what would stop the run before anything is trained or written
    return chosen;
  });
  const auto folder = folder_of(recipe, path, ranks);
  Run run(recipe, folder, options);
  folder.create(dump_recipe(recipe));
  log_info("run folder: " + path);
  log_plan(plan);
  return run_recorded(run, path, [&] {
    run.start();
    return run.finish();
  });
}

RunSummary resume_run(const Recipe& recipe, const std::string& path, const RunOptions& options) {
  check_ranks(recipe, options);
  const auto folder = folder_of(recipe, path, ranks_of(options));
  folder.check_resumable();
  Run run(recipe, folder, options);
  folder.start_log();
  run.resume();  // a refusal leaves the folder as it is
  return run_recorded(run, path, [&] { return run.finish(); });
}

}  // namespace dsc
