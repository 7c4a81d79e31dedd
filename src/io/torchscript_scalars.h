// Arithmetic on sizes: the Python built-ins that stand for TorchScript's operators on numbers, and on traces' tensors that
// hold one number.
#pragma once

#include <ATen/core/function_schema.h>

#include <optional>
#include <vector>

#include "io/torchscript_builder.h"

namespace dsc::torchscript {

// The result of an operator that makes one number from numbers. `lanes`: that number in each lane.
// errors: unsupported, for an operator on sizes that has no counterpart.
Item emit_number(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments, std::vector<c10::IValue> lanes);

// The same for tensors without dimensions that stand for numbers. None: there is no counterpart.
std::optional<Item> emit_number_tensor(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments,
                                       const std::vector<at::Tensor>& lanes);

}  // namespace dsc::torchscript
