// One operator call of a TorchScript program: run in all lanes, then constant, number or node.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "io/torchscript_builder.h"

namespace dsc::torchscript {

// errors: unsupported, c10::Error when an operator fails in the first lane, LaneFailure when it fails in another.
Items call_operator(GraphBuilder& builder, const torch::jit::Node& node, const Items& arguments);

}  // namespace dsc::torchscript
