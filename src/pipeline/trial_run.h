// Runs of recipes inside a program that does more than that: a sweep's worker, a night. Where a recipe asks for several processes, copies of this
// program are started for it and awaited, as `dscompress run` does.
#pragma once

#include <string>

#include "pipeline/runner.h"

namespace dsc {

// As run_recipe and resume_run. `options.output_dir` names the folder; of `options`, a step cache and `stop` are for runs in one process.
// errors: theirs; internal, when a process was killed, or ended without a word.
Report run_trial(const Recipe& recipe, const RunOptions& options);
Report resume_trial(const Recipe& recipe, const RunOptions& options);

}  // namespace dsc
