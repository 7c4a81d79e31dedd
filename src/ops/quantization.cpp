// Numbers: ranges of integers, scales, and weights on their grids.
#include "ops/quantization.h"

#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fake_quantize_per_channel_affine.h>
#include <ATen/ops/fake_quantize_per_tensor_affine.h>

#include <algorithm>
#include <cmath>

namespace dsc {

QuantRange activation_quant_range(std::int64_t bits, ZeroPoint zero_point) {
  if (zero_point == ZeroPoint::narrow) return weight_quant_range(std::min<std::int64_t>(bits, 7), false);
  if (zero_point == ZeroPoint::middle) return weight_quant_range(bits, false);
  return {0, (std::int64_t{1} << bits) - 1};
}

QuantRange weight_quant_range(std::int64_t bits, bool symmetric) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return {symmetric ? 1 - half : -half, half - 1};
}

QuantParams choose_quant_params(double minimum, double maximum, QuantRange range, bool symmetric) {
  const double low = std::min(minimum, 0.0), high = std::max(maximum, 0.0);
  const double steps = static_cast<double>(range.maximum - range.minimum);
  if (!(high - low > 0) || !std::isfinite(high - low)) return {1, std::clamp<std::int64_t>(0, range.minimum, range.maximum)};
  if (!symmetric) {
    const auto scale = static_cast<float>((high - low) / steps);
    if (!(scale > 0) || !std::isfinite(1 / scale)) return {1, std::clamp<std::int64_t>(0, range.minimum, range.maximum)};
    const auto zero = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(range.minimum) - low / static_cast<double>(scale)));
    return {scale, std::clamp(zero, range.minimum, range.maximum)};
  }
  const bool from_zero = range.minimum >= 0;  // integers without sign
  const std::int64_t zero = from_zero ? (low < 0 ? (range.maximum + 1) / 2 : 0) : 0;
  const auto scale = static_cast<float>(std::max(-low, high) / static_cast<double>(range.maximum - zero));
  if (!(scale > 0) || !std::isfinite(1 / scale)) return {1, zero};
  return {scale, zero};
}

ChannelParams choose_channel_params(const at::Tensor& weight, std::int64_t axis, QuantRange range, bool symmetric) {
  std::vector<std::int64_t> others;
  for (std::int64_t dim = 0; dim < weight.dim(); ++dim) {
    if (dim != axis) others.push_back(dim);
  }
  const at::Tensor values = weight.detach().to(at::kDouble);
  const at::Tensor minimum = others.empty() ? values : values.amin(others), maximum = others.empty() ? values : values.amax(others);
  const std::int64_t channels = weight.size(axis);
  ChannelParams params{at::empty({channels}, at::kFloat), at::empty({channels}, at::kInt)};
  for (std::int64_t i = 0; i < channels; ++i) {
    const QuantParams chosen = choose_quant_params(minimum.const_data_ptr<double>()[i], maximum.const_data_ptr<double>()[i], range, symmetric);
    params.scale.data_ptr<float>()[i] = chosen.scale;
    params.zero_point.data_ptr<std::int32_t>()[i] = static_cast<std::int32_t>(chosen.zero_point);
  }
  return params;
}

std::int64_t quant_bits(QuantRange range) {
  std::int64_t bits = 1;
  while ((std::int64_t{1} << bits) <= range.maximum - range.minimum) ++bits;
  return bits;
}

at::Tensor grid_view(const at::Tensor& weight, const WeightGrid& grid) {
  return grid.group > 0 ? weight.reshape({-1, grid.group}) : weight;
}

at::Tensor snap_to_grid(const at::Tensor& weight, const WeightGrid& grid) {
  const at::Tensor rows = grid_view(weight, grid);
  if (grid.axis) return at::fake_quantize_per_channel_affine(rows, grid.scale, grid.zero_point, *grid.axis, grid.range.minimum, grid.range.maximum).view_as(weight);
  return at::fake_quantize_per_tensor_affine(rows, static_cast<double>(grid.scale.item<float>()), grid.zero_point.item<std::int32_t>(),
                                             grid.range.minimum, grid.range.maximum).view_as(weight);
}

at::Tensor integers_on_grid(const at::Tensor& weight, const WeightGrid& grid) {
  const at::Tensor snapped = grid_view(snap_to_grid(weight, grid), grid);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(snapped.dim()), 1);
  if (grid.axis) shape[static_cast<std::size_t>(*grid.axis)] = grid.scale.numel();
  // The values are exact multiples of the scale.
  const at::Tensor whole = (snapped.to(at::kDouble) / grid.scale.view(shape).to(at::kDouble)).round() + grid.zero_point.view(shape);
  return whole.to(grid.range.minimum < 0 ? at::kChar : at::kByte).view(weight.sizes()).contiguous();
}

}  // namespace dsc
