// Runs a TorchScript program in all lanes at once and writes down the operators it calls.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "io/torchscript_builder.h"

namespace dsc::torchscript {

// A lane other than the first failed: the program does not run with these sizes.
struct LaneFailure {
  std::size_t lane;
  std::string why;
};

// Calls module.forward(arguments). `file` is named in errors.
// errors: unsupported (what a Graph cannot hold) and data (what the program rejects), with the source line.
Item run_forward(GraphBuilder& builder, const torch::jit::Module& module, Items arguments, const std::string& file);

}  // namespace dsc::torchscript
