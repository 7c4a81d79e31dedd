// A run's state in one file, replaced atomically: model, progress inside the current step, and the report so far.
//
// The file is a .safetensors: tensors "model/NAME" and "state/NAME"; graph text, progress and report in the metadata. One
// file means that a kill at any instant leaves either the old state or the new one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "report/report.h"

namespace dsc {

struct RunState {
  std::int64_t finished_steps = 0;                      // passes that are done
  std::map<std::string, std::string> finished_stages;   // of the step in progress: stage -> the text it returned
  std::string stage;                                    // the stage in progress; empty: between stages
  std::optional<SavedState> saved;                      // what that stage saved last
  StepRecord record;                                    // of the step in progress: notes and curves so far
  Report report;                                        // the finished steps
};

// What a run depends on; a resumed run must find the same. Key: "model", "recipe", "data train", "build".
using Fingerprints = std::map<std::string, std::string>;

void write_checkpoint(const std::string& path, const RunState& state, const Model& model, const Fingerprints& fingerprints);
// Reads the state and puts the saved model into `model`.
// errors: model_file for a damaged file; data when a fingerprint differs, naming all that do.
RunState read_checkpoint(const std::string& path, Model& model, const Fingerprints& expected);

}  // namespace dsc
