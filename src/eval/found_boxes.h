// A detector's outputs as one tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "data/detections.h"

namespace dsc {

// Of outputs with boxes [N, D, 4] and scores with labels [N, D], or scores of each class [N, D, C]: rows of [N, boxes, 6] with the box as
// the model gives it, its score and its class. Which output is which, shapes and types say. errors: data.
at::Tensor found_boxes(const std::vector<at::Tensor>& outputs, const DetectionConfig& form);

}  // namespace dsc
