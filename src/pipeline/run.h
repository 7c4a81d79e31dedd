// One run of a recipe: from its first step, or from where its checkpoint says, to its end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/predictions.h"
#include "pipeline/prepare.h"
#include "pipeline/run_folder.h"
#include "pipeline/runner.h"
#include "pipeline/step_cache.h"

namespace dsc {

Ranks& ranks_of(const RunOptions& options);

// Call `start` or `resume`, then `finish`; after a failure of any, `record_failure`.
class Run {
 public:
  Run(const Recipe& recipe, RunFolder folder, const RunOptions& options);

  Run(const Run&) = delete;  // its resources refer to it
  Run& operator=(const Run&) = delete;

  void start();
  void resume();
  RunSummary finish();
  void record_failure(const Error& error);

 private:
  void begin_report();

  void reach_state(std::size_t index, const std::function<void()>& body);
  bool adopt_cached(std::size_t index);
  void run_pass(std::size_t index);
  void compute_pass(std::size_t index);
  Evaluation measure_step();
  void try_step(Progress& progress);
  void finish_step(Evaluation&& evaluation);
  void keep_predictions(std::int64_t index, Evaluation&& evaluation);

  RunSummary conclude();
  RunSummary end_early(const std::string& reason);
  RunSummary close(const std::string& status);

  const Recipe& recipe_;
  RunFolder folder_;
  Ranks& ranks_;
  std::function<std::optional<std::string>(const StepRecord& step)> stop_;
  PreparedRun prepared_;
  std::int64_t baseline_ = 0;
  Model base_;
  RunState state_;
  Predictions predictions_;
  ResumePoint resume_;
  std::optional<StepCache> cache_;
  std::vector<std::string> keys_;  // of the states that go through the cache
};

}  // namespace dsc
