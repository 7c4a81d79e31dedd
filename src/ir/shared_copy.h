// A cheap copy of a model, for rewriting its graph.
#pragma once

#include "dscompress/model.h"

namespace dsc {

// A copy with a graph of its own; both share the tensors. Who changes one in place clones it first, as the training loop does.
Model shared_copy(const Model& model);

}  // namespace dsc
