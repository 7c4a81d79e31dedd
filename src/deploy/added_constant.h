// Constants that conversion adds to a model.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "dscompress/model.h"

namespace dsc {

// Named after `wish`.
Value* add_constant(Model& model, std::string_view wish, at::Tensor tensor);

}  // namespace dsc
