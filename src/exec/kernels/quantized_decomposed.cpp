// Operation by operation as torch/ao/quantization/fx/_decomposed.py, so that the numbers are the same to the last bit.
#include "exec/kernels/quantized_decomposed.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/round.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <cstdint>
#include <optional>
#include <tuple>

namespace dsc {
namespace {

at::Tensor as_float(const at::Tensor& input) {
  const bool is_short = input.scalar_type() == at::kHalf || input.scalar_type() == at::kBFloat16;
  const at::Tensor out = is_short ? input.to(at::kFloat) : input;
  TORCH_CHECK(out.scalar_type() == at::kFloat, "quantize expects f32, found ", input.scalar_type());
  return out;
}

void check_integers(const at::Tensor& input, at::ScalarType dtype) {
  TORCH_CHECK(input.scalar_type() == dtype, "dequantize expects ", dtype, ", found ", input.scalar_type());
}

// Scales or zero points of an axis, shaped to go with a tensor of that rank.
at::Tensor along(const at::Tensor& numbers, std::int64_t axis, std::int64_t rank) {
  TORCH_CHECK(axis >= 0 && axis < rank, "axis ", axis, " of a tensor of rank ", rank);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(rank), 1);
  sizes[static_cast<std::size_t>(axis)] = numbers.numel();
  return numbers.view(sizes);
}

at::Tensor quantize_per_tensor(const at::Tensor& input, double scale, std::int64_t zero_point, std::int64_t quant_min,
                               std::int64_t quant_max, at::ScalarType dtype) {
  return at::clamp(at::round(as_float(input) * (1.0 / scale)) + zero_point, quant_min, quant_max).to(dtype);
}

at::Tensor dequantize_per_tensor(const at::Tensor& input, double scale, std::int64_t zero_point, std::int64_t quant_min,
                                 std::int64_t quant_max, at::ScalarType dtype, std::optional<at::ScalarType> out_dtype) {
  check_integers(input, dtype);
  return (input.to(out_dtype.value_or(at::kFloat)) - zero_point) * scale;
}

at::Tensor quantize_by_tensors(const at::Tensor& input, const at::Tensor& scale, const at::Tensor& zero_point, std::int64_t quant_min,
                               std::int64_t quant_max, at::ScalarType dtype) {
  return quantize_per_tensor(input, scale.item<double>(), zero_point.item<std::int64_t>(), quant_min, quant_max, dtype);
}

at::Tensor dequantize_by_tensors(const at::Tensor& input, const at::Tensor& scale, const at::Tensor& zero_point, std::int64_t quant_min,
                                 std::int64_t quant_max, at::ScalarType dtype, std::optional<at::ScalarType> out_dtype) {
  return dequantize_per_tensor(input, scale.item<double>(), zero_point.item<std::int64_t>(), quant_min, quant_max, dtype, out_dtype);
}

at::Tensor quantize_per_channel(const at::Tensor& input, const at::Tensor& scales, const at::Tensor& zero_points, std::int64_t axis,
                                std::int64_t quant_min, std::int64_t quant_max, at::ScalarType dtype) {
  const at::Tensor inverse = along(scales, axis, input.dim()).reciprocal();
  return at::clamp(at::round(as_float(input) * inverse) + along(zero_points, axis, input.dim()), quant_min, quant_max).to(dtype);
}

at::Tensor dequantize_per_channel(const at::Tensor& input, const at::Tensor& scales, const std::optional<at::Tensor>& zero_points,
                                  std::int64_t axis, std::int64_t quant_min, std::int64_t quant_max, at::ScalarType dtype,
                                  std::optional<at::ScalarType> out_dtype) {
  check_integers(input, dtype);
  const bool shifted = zero_points.has_value() && zero_points->defined();
  const at::Tensor centred = shifted ? input - along(*zero_points, axis, input.dim()) : input;
  return (centred * along(scales, axis, input.dim())).to(out_dtype.value_or(at::kFloat));
}

// --- quantised at run time: a scale for each row of the last dimension ---

std::tuple<at::Tensor, at::Tensor> choose_qparams_per_token(const at::Tensor& input, at::ScalarType dtype) {
  TORCH_CHECK(dtype == at::kChar, "choose_qparams_per_token makes i8, found ", dtype);
  const at::Tensor largest = input.abs().amax({-1}, true);
  const at::Tensor scales = (largest.scalar_type() == at::kHalf ? largest.to(at::kFloat) : largest).clamp_min(1e-5).div(127);
  return {scales, at::zeros_like(scales)};
}

at::Tensor quantize_per_token(const at::Tensor& input, const at::Tensor& scales, const at::Tensor& zero_points, std::int64_t quant_min,
                              std::int64_t quant_max, at::ScalarType dtype) {
  return at::clamp((input * scales.reciprocal() + zero_points).round(), quant_min, quant_max).to(dtype);
}

at::Tensor dequantize_per_token(const at::Tensor& input, const at::Tensor& scales, const at::Tensor& zero_points, std::int64_t, std::int64_t,
                                at::ScalarType dtype, at::ScalarType output_dtype) {
  check_integers(input, dtype);
  return ((input - zero_points) * scales).to(output_dtype);
}

}  // namespace

void register_quantized_decomposed_operators() {
  static const torch::Library library = [] {
    torch::Library made(torch::Library::FRAGMENT, "quantized_decomposed", std::nullopt, __FILE__, __LINE__);
    made.def("quantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor",
             quantize_per_tensor);
    made.def("quantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor",
             quantize_by_tensors);
    made.def("dequantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype, *, "
             "ScalarType? out_dtype=None) -> Tensor", dequantize_per_tensor);
    made.def("dequantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype, *, "
             "ScalarType? out_dtype=None) -> Tensor", dequantize_by_tensors);
    made.def("quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max, "
             "ScalarType dtype) -> Tensor", quantize_per_channel);
    made.def("dequantize_per_channel(Tensor input, Tensor scales, Tensor? zero_points, int axis, int quant_min, int quant_max, "
             "ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor", dequantize_per_channel);
    made.def("choose_qparams_per_token(Tensor input, ScalarType dtype) -> (Tensor, Tensor)", choose_qparams_per_token);
    made.def("quantize_per_token(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype) -> Tensor",
             quantize_per_token);
    made.def("dequantize_per_token(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, "
             "ScalarType output_dtype) -> Tensor", dequantize_per_token);
    return made;
  }();
}

}  // namespace dsc
