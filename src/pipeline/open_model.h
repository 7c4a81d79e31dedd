// Opening models by file name.
#pragma once

#include <string>

#include "dscompress/model.h"

namespace dsc {

// Reads a model and, unless `weights` is empty, swaps its weights by name. The graph is verified.
// errors: model_file (also for an unknown extension), unsupported.
Model open_model(const std::string& path, const std::string& weights = {});

}  // namespace dsc
