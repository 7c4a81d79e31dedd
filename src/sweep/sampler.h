// Trials that Optuna chooses from what earlier ones measured, a batch at a time. Its process keeps everything in memory: a sweep that is taken up again
// asks and tells it the same from the start, which gives the same trials, whatever the timing of workers was.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "sweep/child.h"
#include "sweep/folder.h"
#include "sweep/trial_recipes.h"

namespace dsc::sweep {

bool is_sampled(SweepMethod method);

// The interpreter: DSCOMPRESS_PYTHON, or python3. Starts Optuna there with a sampler of its own. errors: usage, when it cannot, and what to install.
std::unique_ptr<LineChild> start_optuna(SweepMethod method, std::int64_t seed, const std::vector<Axis>& axes, const std::map<std::string, Direction>& objectives);

class Sampler {
 public:
  // errors: usage (no Optuna), recipe (its files have changed since the sweep started).
  Sampler(const Folder& folder, const PassTable& passes);

  // Tells Optuna about batches that have ended, and queues the next one; the queue is complete after the last. Call it whenever
  // trials have ended. errors: data, when other trials come out than the folder has.
  void advance();

 private:
  struct Asked {
    std::int64_t optuna = 0, number = 0;
  };
  bool has_ended() const;
  void tell(std::int64_t optuna, const Result* result);
  void tell_batch();
  void ask_batch();
  bool ask_one();
  Assignment assignment_of(const std::string& answer) const;
  void queue_batch(const std::vector<Assignment>& batch);

  const Folder& folder_;
  Settings settings_;
  SweepSection section_;
  TrialRecipes recipes_;
  std::vector<Axis> axes_;
  std::unique_ptr<LineChild> optuna_;
  std::vector<Asked> batch_;
  std::vector<Assignment> asked_;                // by number, from 1
  std::map<Assignment, std::int64_t> numbers_;
  std::set<std::string> prefixes_;               // of trials so far
  bool done_ = false;
};

}  // namespace dsc::sweep
