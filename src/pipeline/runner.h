// Runs a recipe: the one visible loop around all passes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "parallel/ranks.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

struct RunOptions {
  // Asked after each step but the last: why the run goes no further; none: it goes on.
  std::function<std::optional<std::string>(const StepRecord& step)> stop;
  std::string output_dir;              // empty: runs/NAME-TIME
  std::vector<std::string> plugins;    // their files' content is part of what a resumed run must find unchanged
  std::string cache;                   // folder of a step cache (step_cache.h); empty: none
  Ranks* ranks = nullptr;              // that run the recipe together, as many as it has `processes`; null: this process alone
  std::int64_t cached_states = -1;     // so many first states go through the cache; -1: all but the last, which nothing else starts from
};

struct RunSummary {
  std::string folder;
  std::string main_report;  // the file to read first
  Report report;
  int exit_status = 0;   // 0, 1 (a gate failed) or 5 (anomalous figures)
};

// Checks everything that can be checked, then runs all passes, measures, deploys, gates and writes the run folder.
// errors: any; the folder's report says which, and `resume_run` goes on from the last checkpoint.
RunSummary run_recipe(const Recipe& recipe, const RunOptions& options);

// Goes on with the interrupted run in `folder`, whose resolved recipe is `recipe`; its result equals the uninterrupted
// one's bit for bit. errors: usage (no such run, already finished), data (model, data, recipe or build differ, naming which).
RunSummary resume_run(const Recipe& recipe, const std::string& folder, const RunOptions& options);

}  // namespace dsc
