// What steps leave behind, kept by the content of everything that it depends on, so that runs with the same first steps compute
// them once. State 0 is the model before any pass, state i what step i left.
//
//   KE/KEY/state.safetensors         a checkpoint: model and the step's record
//   KE/KEY/predictions.safetensors   outcomes of its evaluation; absent: none
//   KE/KEY/entry.json                fingerprints of both, so that damage is noticed
//
// A key is 128 bits over the build, LibTorch, OpenVINO, plugins, instruction set, the recipe without its steps and without what
// only says how results are shown, the content of model, weights and data, and then, step by step, the resolved options and the
// content of the files that they name. An entry appears by one rename, and is never changed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/claim.h"
#include "dscompress/model.h"
#include "eval/metrics.h"
#include "pipeline/checkpoint.h"
#include "pipeline/recipe.h"

namespace dsc {

// Keys of states 0, 1, ... of a run. fingerprints: the run's (prepare.h).
std::vector<std::string> state_keys(const Recipe& recipe, const Fingerprints& fingerprints);
// The same without contents and machine: tells which trials of one sweep share states.
std::vector<std::string> recipe_prefixes(const Recipe& recipe);

struct CachedState {
  StepRecord record;
  Evaluation evaluation;
};

class StepCache {
 public:
  // Makes the folder. errors: io.
  explicit StepCache(std::string folder);

  bool has(const std::string& key) const;
  // Puts the state's model into `model`, which must be the recipe's or come from it. None: it is not there, or is damaged, which is
  // logged, and the entry removed.
  std::optional<CachedState> find(const std::string& key, Model& model);
  void put(const std::string& key, const StepRecord& record, const Model& model, const Evaluation& evaluation);

  bool has_leases() const;  // cheap to ask: whether anybody is computing anything
  // Whether another process is computing it.
  bool is_leased(const std::string& key) { return leases_.is_taken(key); }
  // The right to compute it, once nobody else does: waits for whoever does. Null: it is there now. errors: cancelled, io.
  std::unique_ptr<Claim> lease(const std::string& key);

 private:
  // What was used least recently goes, where the folder has a limit (cache_folder.h).
  void keep_limit(const std::string& key) const;
  std::string path_of(const std::string& key) const { return folder_ + "/" + key.substr(0, 2) + "/" + key; }

  std::string folder_;
  ClaimBoard leases_;
};

}  // namespace dsc
