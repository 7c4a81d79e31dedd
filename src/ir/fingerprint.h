// What a model computes, as a short text.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "dscompress/model.h"

namespace dsc {

// Of its elements.
std::string fingerprint_of(const at::Tensor& tensor);
// Of its graph (without where nodes come from) and its tensors.
std::string fingerprint_of(const Model& model);

}  // namespace dsc
