// How a model's weights and quantisation ranges are distributed, for TensorBoard.
#pragma once

#include <vector>

#include "dscompress/model.h"
#include "report/tensorboard.h"

namespace dsc {

// "weights/NAME" of what is in floating point and has more than one element; "ranges/NAME" of what is quantised: the values at both
// ends of each of its grids. Weights go by their own name, activations by that of their value.
std::vector<NamedHistogram> model_histograms(const Model& model);

}  // namespace dsc
