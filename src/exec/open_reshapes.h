// Reshapes whose sizes were written down for one size of the inputs.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "dscompress/model.h"

namespace dsc {

// Rewrites literal sizes of reshapes, so that the graph runs with inputs of these other sizes: those that stand for all that changed, or for
// rows and columns that changed by one factor. What types say are the old sizes, and stay. Nothing is rewritten where the graph runs as it is.
// errors: what stops it where no reshape does, or none that can be read in one way.
void open_reshapes(Model& model, const std::vector<at::Tensor>& inputs);

}  // namespace dsc
