// Checks that a graph is consistent: every problem at once, each naming value, rule and fix.
#pragma once

#include <string>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/model.h"

namespace dsc {

// Rules: values defined before use, unique names, use lists equal to arguments, arguments of known kinds, region nesting.
std::vector<Problem> verify(const Graph& graph);
// Also: every parameter, buffer and constant has a tensor of its declared shape and dtype; no tensor is orphaned.
std::vector<Problem> verify(const Model& model);
// errors: internal, with all problems; `after` names the step.
void verify_or_throw(const Model& model, std::string_view after);

}  // namespace dsc
