// Batches where a model runs.
#pragma once

#include <string>

#include "data/dataset.h"

namespace dsc {

// Inputs, targets and all else on the device: "cpu", "cuda", "cuda:1".
Batch move_batch(Batch batch, const std::string& device);

}  // namespace dsc
