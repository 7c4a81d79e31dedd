// Which of its two neighbours on the grid each weight becomes, by what the layer's inputs make of the error.
//
// All minimise the layer's output error E |(W - Q) x|^2 = tr((W - Q) H (W - Q)^T), H the inputs' second moments.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "passes/quantize/weights/layer_inputs.h"
#include "ops/quantization.h"

namespace dsc::quantize {

// Grids of a weight as a matrix [C, K]: f64 [C, K].
struct MatrixGrid {
  at::Tensor scale, zero_point;
  QuantRange range;
};
MatrixGrid grid_of_matrix(const WeightGrid& grid, std::int64_t channels, std::int64_t elements);
at::Tensor round_to_matrix_grid(const at::Tensor& weight, const MatrixGrid& grid);

// tr((W - Q) H (W - Q)^T)
double output_error(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& gram);

// In which order columns are rounded, those of large inputs first, and how the error of each is spread over those still to come. The same for all
// layers that read the same inputs.
struct GptqColumns {
  // gram: f64 [K, K]. damping: share of the mean diagonal added to it.
  GptqColumns(const at::Tensor& gram, double damping);
  at::Tensor order;  // i64 [K]
  at::Tensor upper;  // f64 [K, K], the Cholesky factor of the inverse; undefined: the inputs are nothing but zeros
};
// weight: f64 [C, K]. source: Frantar et al. 2023, arXiv:2210.17323, algorithm 1.
at::Tensor gptq_round(const at::Tensor& weight, const GptqColumns& columns, const MatrixGrid& grid);

// A rounding between the neighbours is optimised, and pressed towards one of them.
// source: Nagel et al. 2020, "Up or down?", arXiv:2004.10568, equations 21 to 25, with the full quadratic form.
at::Tensor adaround_round(const at::Tensor& weight, const at::Tensor& gram, const MatrixGrid& grid, std::int64_t iterations);

}  // namespace dsc::quantize
