// Rewriting lists of sizes among literal arguments after a removal.
#pragma once

#include <string_view>

#include "ops/op_info.h"

namespace dsc {

// Sets the entries of a size list (view, expand, zeros) to the output's new sizes. -1 stays; a symbolic entry whose
// dimension shrank becomes -1, or, where there is one already, the old expression scaled.
void resize_list(Resizer& resizer, Node& node, std::string_view argument, const Value* output);

}  // namespace dsc
