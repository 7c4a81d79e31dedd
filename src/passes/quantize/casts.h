// Layers that compute in a smaller floating-point type: their weights are stored in it, inputs and outputs are cast.
#pragma once

#include <cstdint>

#include "dscompress/model.h"
#include "passes/quantize/choose/precisions.h"

namespace dsc::quantize {

//   before  %y = aten.linear(%x, w, b)       after  %h = aten._to_copy(%x, dtype=bf16)
//                                                   %z = aten.linear(%h, w bf16, b bf16)
//                                                   %y = aten._to_copy(%z, dtype=f32)
// For layers whose precision is bf16 or f16. Weights that others use as well stay as they are and are cast.
// returns: how many layers.
std::int64_t cast_layers(Model& model, const Precisions& precisions);

}  // namespace dsc::quantize
