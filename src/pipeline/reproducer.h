// What a failing step leaves behind, so that it can be run again alone and made small:
//
//   reproducer/model.pt2   the model as the step found it
//   reproducer/graph.txt   its graph, to read
//   reproducer/README.md   the error, seed and versions, and the commands
#pragma once

#include <string>

#include "dscompress/error.h"
#include "dscompress/model.h"
#include "pipeline/recipe.h"

namespace dsc {

// folder: of the run, with recipe.resolved.yaml in it. returns: the folder of the reproducer.
std::string write_reproducer(const std::string& folder, const Model& before, const Recipe& recipe, std::size_t index, const Error& error);

}  // namespace dsc
