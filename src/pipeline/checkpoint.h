// A run's state in files that are each replaced atomically, so that a kill at any instant leaves a state to go on from:
//
//   checkpoint.safetensors            after the last finished step
//   checkpoint.stage.safetensors      after the last finished stage of the step in progress
//   checkpoint.progress.safetensors   inside the stage in progress, e.g. after an epoch
//
// Each holds a model (tensors "model/NAME", graph text in the metadata) and what is needed beside it ("state/NAME", JSON).
// A file that belongs to another step or stage is stale and ignored. A resumed pass runs again from the start of its step;
// finished stages are skipped, and wherever it looks at the model it finds what the uninterrupted run would have had.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "report/report.h"

namespace dsc {

// Wall time of something that goes on after an interruption; what came after the last checkpoint before it is not known.
class Elapsed {
 public:
  explicit Elapsed(double earlier_seconds = 0) : earlier_(earlier_seconds) {}
  double seconds() const { return earlier_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double earlier_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

struct RunState {
  std::int64_t finished_steps = 0;                      // passes that are done
  std::map<std::string, std::string> finished_stages;   // of the step in progress: stage -> the text it returned
  std::map<std::string, at::Tensor> carried;            // what those stages hand on
  std::string stage;                                    // the stage in progress; empty: between stages
  std::optional<SavedState> saved;                      // what that stage saved last
  StepRecord record;                                    // of the step in progress: notes and curves so far
  Report report;                                        // the finished steps
  Elapsed run_time, step_time;                          // of the run, and of the step in progress, in all sessions
};

// The models inside the step in progress; empty: nothing to resume there.
struct ResumePoint {
  std::optional<Model> after_stages;  // after all of `finished_stages`
  std::optional<Model> in_stage;      // when `saved` was
};

struct CheckpointPaths {
  explicit CheckpointPaths(const std::string& folder = {});
  std::string step, stage, progress;  // empty: nothing is saved
};

// What a run depends on; a resumed run must find the same. Key: "model", "recipe", "data train", "build".
using Fingerprints = std::map<std::string, std::string>;

void write_checkpoint(const std::string& path, const RunState& state, const Model& model, const Fingerprints& fingerprints);
// Reads the state after the last finished step into `model`, and what there is of the step in progress.
// errors: model_file for a damaged file; data when a fingerprint differs, naming all that do.
RunState read_checkpoints(const CheckpointPaths& paths, Model& model, ResumePoint& resume, const Fingerprints& expected);

}  // namespace dsc
