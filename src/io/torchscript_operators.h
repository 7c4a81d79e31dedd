// Operators of the dispatcher: from a TorchScript call to a node in torch.export's form.
#pragma once

#include <ATen/core/function_schema.h>

#include <vector>

#include "io/torchscript_builder.h"

namespace dsc::torchscript {

// Makes the node of a call whose results are known in each lane. Returns the items of its outputs.
// errors: unsupported, for arguments that a node cannot hold.
Items emit_operator(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments,
                    const std::vector<std::vector<c10::IValue>>& results);

}  // namespace dsc::torchscript
