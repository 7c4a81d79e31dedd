// Python's operators on symbolic numbers (sizes and what is computed from them), as exported graphs call them.
#pragma once

#include <ATen/core/ivalue.h>

#include <string_view>
#include <vector>

namespace dsc {

// Replaces its arguments on the stack by its result.
using Builtin = void (*)(std::vector<c10::IValue>& stack);

// "_operator.mul", "math.trunc", "torch.sym_max", "aten.sym_size.int", ...; null: not such an operator.
Builtin find_builtin(std::string_view target);
// A statement about the example that is true of every accepted input, so there is nothing to run.
bool is_vacuous(std::string_view target);

}  // namespace dsc
