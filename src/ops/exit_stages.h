// A network with early exits as a chain of networks: what an example that leaves does not need is never run.
//
//   stage 0: inputs -> scores of exit 0, what later stages read      stage i: what it reads -> scores, what later ones read
#pragma once

#include <string>
#include <vector>

#include "ops/exits.h"

namespace dsc {

struct ExitStage {
  std::string block;               // behind which it ends; empty: the network's end
  std::vector<std::string> takes;  // what its network takes, in order; of stage 0 the whole network's inputs
  std::vector<std::string> gives;  // what its network gives behind the scores, in order
  void fields(FieldVisitor& visit);
};

struct ExitChainPlan {
  ExitRule rule;
  std::vector<std::string> shared;  // what is handed on and has no row for each example
  std::vector<ExitStage> stages;
  void fields(FieldVisitor& visit);
};

struct ExitStages {
  ExitChainPlan plan;
  std::vector<Model> models;  // of each stage; they share the network's tensors
};

// precondition: exits_of(model) has a value. errors: unsupported, for a network whose stages cannot run apart: it leaves something
// behind for its next run, writes into what crosses, or was exported for a number of examples; or something that crosses mixes examples.
ExitStages exit_stages(const Model& model);

}  // namespace dsc
