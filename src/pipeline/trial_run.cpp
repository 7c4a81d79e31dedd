#include "pipeline/trial_run.h"

#include <csignal>

#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/temporary_folder.h"
#include "parallel/launcher.h"

namespace dsc {
namespace {

// Killed with us, at once: whoever takes the trial over must find its folder left alone.
constexpr LaunchOptions kOfTrial{.silent = true, .end_with_us = SIGKILL};

Report launch(const Recipe& recipe, const RunOptions& options, const std::vector<std::string>& command) {
  if (options.stop || !options.cache.empty()) throw Error(ErrorCode::internal, "a run in several processes has no step cache, and is not stopped early");
  std::vector<std::string> arguments{"--quiet", "--no-color"};
  for (const auto& plugin : options.plugins) arguments.insert(arguments.end(), {"--plugin", plugin});
  arguments.insert(arguments.end(), command.begin(), command.end());
  const auto result = launch_ranks(arguments, recipe.processes, kOfTrial);
  for (const auto& note : result.notes) log_error(note);
  throw_if_interrupted();
  if (result.error) throw *result.error;
  const auto file = options.output_dir + "/report.json";
  if (!result.notes.empty()) throw Error(ErrorCode::internal, result.notes.front(), {.file = options.output_dir}, "see the system's log for memory that ran out");
  auto report = parse_report(read_file(file), file);
  if (report.status == "running") throw Error(ErrorCode::internal, "the run's processes ended with status " + std::to_string(result.status) + " and no word", {.file = options.output_dir});
  return report;
}

}  // namespace

Report run_trial(const Recipe& recipe, const RunOptions& options) {
  if (recipe.processes == 1) return run_recipe(recipe, options).report;
  const TemporaryFolder folder("trial");
  const auto file = folder.file("recipe.yaml");
  write_file_atomically(file, dump_recipe(recipe));
  return launch(recipe, options, {"run", file, "-o", options.output_dir});
}

Report resume_trial(const Recipe& recipe, const RunOptions& options) {
  if (recipe.processes == 1) return resume_run(recipe, options.output_dir, options).report;
  return launch(recipe, options, {"resume", options.output_dir});
}

}  // namespace dsc
