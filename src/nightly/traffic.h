// What the deployed model was asked for lately, gathered for one night:
//
//   FOLDER/all.safetensors     inputs of every example, labelled or not
//   FOLDER/trial.safetensors   the newest labelled ones: old and new model are compared on them
//   FOLDER/train.safetensors   labelled ones before those, and old examples against forgetting: recipes train on them
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nightly/loop.h"

namespace dsc {

struct Traffic {
  std::string folder;
  std::int64_t examples = 0, trial = 0, train = 0;
  std::vector<std::string> notes;  // files that were left out, and why

  std::string all_file() const { return folder + "/all.safetensors"; }
  std::string trial_file() const { return folder + "/trial.safetensors"; }
  std::string train_file() const { return folder + "/train.safetensors"; }
};

// Replaces the folder's content. A file that cannot be read is left out with a note: it may be being written.
// errors: data, for files that do not fit each other, or lack labels that the loop says are complete.
Traffic gather_traffic(const LoopTraffic& config, const std::string& trial_split, const std::string& folder);

// Files that match a pattern, sorted by the time of their last change, then by name.
std::vector<std::string> files_by_time(const std::string& pattern);

}  // namespace dsc
