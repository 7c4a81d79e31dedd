// What a model computes, as a short text.
#pragma once

#include <string>

#include "dscompress/model.h"

namespace dsc {

// Of its graph (without where nodes come from) and its tensors.
std::string fingerprint_of(const Model& model);

}  // namespace dsc
