// Everything that can be known about a cut before anything is trained.
#pragma once

#include <vector>

#include "dscompress/pass.h"
#include "passes/prune/options.h"

namespace dsc::prune {

// Patterns that match nothing, and targets that cannot be reached.
std::vector<Problem> check(const Model& model, const Options& options);

}  // namespace dsc::prune
