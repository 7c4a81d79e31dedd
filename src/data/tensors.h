// Columns of tensors: .safetensors, .npy, or a folder of .npy files, one a column; dim 0 counts the examples.
//
// Integer columns become i64, floating-point ones f32, booleans stay, unless the model takes another type that holds their
// values. A single u8 column of rank 4 without other inputs is pictures [N, C, H, W], which may be augmented and normalised.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "data/open.h"

namespace dsc {

std::unique_ptr<Dataset> open_tensors(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize);

// A .npy file as a tensor over its memory map. errors: data, with the offset and what is wrong.
at::Tensor read_npy(const std::string& path);

}  // namespace dsc
