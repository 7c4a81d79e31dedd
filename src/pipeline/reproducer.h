// What a failing step leaves behind, so that it can be run again alone and made small:
//
//   reproducer/model.pt2   the model as the step found it
//   reproducer/graph.txt   its graph, to read
//   reproducer/README.md   the error, seed and versions, and the commands
#pragma once

#include <string>

#include "dscompress/error.h"
#include "pipeline/checkpoint.h"
#include "pipeline/recipe.h"

namespace dsc {

// folder: of the run, with recipe.resolved.yaml and its checkpoints in it. Of failures that come from the model and the pass: not
// of an interruption, of memory or disk that ran out, or of a process or file that is gone. Never fails itself: the step's own error
// says more.
void leave_reproducer(const std::string& folder, const Recipe& recipe, std::size_t index, const Error& error, const Fingerprints& fingerprints);

}  // namespace dsc
