// Inputs of linear layers that are quantised at run time: every token, or every group of a token's elements, by its own
// largest value, to -127 .. 127.
//
//   before  %y = aten.linear(%x, w)          after  %r = aten.unflatten(%x, -1, [groups, group])     where a row has several
//                                                   %s, %z = quantized_decomposed.choose_qparams_per_token(%r, i8)
//                                                   %q = quantized_decomposed.quantize_per_token(%r, %s, %z, -128, 127, i8)
//                                                   %d = quantized_decomposed.dequantize_per_token(%q, %s, %z, ...)
//                                                   %y = aten.linear(aten.flatten(%d, -2, -1), w)
//
// Groups have one length in the whole model, since engines take one: the greatest common divisor of the rows' lengths.
#pragma once

#include <cstdint>
#include <vector>

#include "dscompress/model.h"
#include "ops/quant_placement.h"
#include "passes/quantize/rewrite.h"

namespace dsc::quantize {

// Before the placement's weights are quantised. multiple: of which a row's length must be one; the inputs of other layers
// stay as they are.
std::vector<QuantizerRow> insert_run_time_quantizers(Model& model, const QuantPlacement& placement, std::int64_t multiple);

}  // namespace dsc::quantize
