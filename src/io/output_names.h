// What the users of a model call its outputs.
#pragma once

#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// Of the graph's user outputs that are tensors, in order: keys of the mapping that forward() returned ("logits", "boxes.0"), or names of
// the graph's values where it returned a tensor or a tuple, or where outputs were added or removed since.
std::vector<std::string> output_names(const Model& model);

}  // namespace dsc
