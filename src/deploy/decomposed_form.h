// The form in which PyTorch's PT2E tools exchange quantised programs: pairs of `quantized_decomposed` quantize and
// dequantize, and weights stored as integers behind a dequantize.
//
//   here    %y = aten.fake_quantize_per_tensor_affine(%x, s, z, low, high)
//   there   %q = quantized_decomposed.quantize_per_tensor(%x, s, z, low, high, u8)
//           %y = quantized_decomposed.dequantize_per_tensor(%q, s, z, low, high, u8)
//
//   here    %v = aten.fake_quantize_per_channel_affine(w f32, scale, zero, axis, low, high)
//   there   %v = quantized_decomposed.dequantize_per_channel(w i8, scale, zero, axis, low, high, i8)
//
// The values on the grids are the same, bit for bit. Groups of weights stay views around the operator. In Python,
// `import torch.ao.quantization.fx._decomposed` makes the operators known.
#pragma once

#include "dscompress/model.h"

namespace dsc {

// A copy in the exchanged form; tensors that do not change are shared. Fake quantisation of other types than f32, and with
// more than 8 bits, stays as it is.
Model to_decomposed_form(const Model& model);
// Back, in place. Pairs that say different things, or whose scales are computed, stay as they are.
void from_decomposed_form(Model& model);

}  // namespace dsc
