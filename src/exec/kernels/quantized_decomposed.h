// PyTorch's `quantized_decomposed` operators, the standard form of quantised exported graphs. PyTorch defines them in
// Python; these are the same computations for a process without it.
#pragma once

namespace dsc {

// Makes quantize and dequantize, per tensor, per channel and per token, known to the dispatcher; may be called again.
void register_quantized_decomposed_operators();

}  // namespace dsc
