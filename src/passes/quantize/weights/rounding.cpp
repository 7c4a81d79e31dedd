#include "passes/quantize/weights/rounding.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/vectorised.h"

namespace dsc::quantize {
namespace {

at::Tensor to_grid(const at::Tensor& whole, const MatrixGrid& grid) {
  return (whole.clamp(static_cast<double>(grid.range.minimum), static_cast<double>(grid.range.maximum)) - grid.zero_point) * grid.scale;
}

constexpr std::int64_t kRowsOfAThread = 16;

// Some columns of one row.
struct RowBlock {
  double *rest, *rounded, *errors;
  const double *scale, *zero_point;
  const double* upper;  // [size, size] of a matrix of rows of `stride`
  std::int64_t size, stride;
  QuantRange range;
};

DSC_VECTORISED void subtract_scaled(double* to, const double* from, double factor, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) to[i] -= factor * from[i];
}

void round_columns(const RowBlock& row) {
  const auto low = static_cast<double>(row.range.minimum), high = static_cast<double>(row.range.maximum);
  for (std::int64_t i = 0; i < row.size; ++i) {
    const double* upper = row.upper + i * row.stride;
    const double zero_point = row.zero_point[i];
    row.rounded[i] = (std::clamp(std::nearbyint(row.rest[i] / row.scale[i]) + zero_point, low, high) - zero_point) * row.scale[i];
    row.errors[i] = (row.rest[i] - row.rounded[i]) / upper[i];
    subtract_scaled(row.rest + i + 1, upper + i + 1, row.errors[i], row.size - i - 1);
  }
}

}  // namespace

MatrixGrid grid_of_matrix(const WeightGrid& grid, std::int64_t channels, std::int64_t elements) {
  const auto spread = [&](const at::Tensor& of) {
    const at::Tensor wide = of.to(at::kDouble);
    if (!grid.axis) return wide.expand({channels, elements}).contiguous();
    const std::int64_t length = grid.group > 0 ? grid.group : elements;
    return wide.view({channels, -1, 1}).expand({channels, elements / length, length}).reshape({channels, elements});
  };
  return {spread(grid.scale), spread(grid.zero_point), grid.range};
}

at::Tensor round_to_matrix_grid(const at::Tensor& weight, const MatrixGrid& grid) {
  return to_grid((weight / grid.scale).round() + grid.zero_point, grid);
}

double output_error(const at::Tensor& weight, const at::Tensor& quantized, const at::Tensor& gram) {
  const at::Tensor difference = weight - quantized;
  return difference.matmul(gram).mul(difference).sum().item<double>();
}

GptqColumns::GptqColumns(const at::Tensor& gram, double damping) : order(gram.diagonal().argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true)) {
  const double mean = gram.diagonal().mean().item<double>();
  if (!(mean > 0)) return;
  const at::Tensor hessian = gram.index_select(0, order).index_select(1, order) + at::eye(gram.size(0), at::kDouble) * (damping * mean);
  upper = at::linalg_cholesky(at::cholesky_inverse(at::linalg_cholesky(hessian))).t().contiguous();
}

at::Tensor gptq_round(const at::Tensor& weight, const GptqColumns& columns, const MatrixGrid& grid) {
  if (!columns.upper.defined()) return round_to_matrix_grid(weight, grid);
  const at::Tensor& upper = columns.upper;
  const at::Tensor scale = grid.scale.index_select(1, columns.order), zero_point = grid.zero_point.index_select(1, columns.order);
  at::Tensor rest = weight.index_select(1, columns.order), rounded = at::empty_like(rest);
  const std::int64_t channels = weight.size(0), width = weight.size(1);
  constexpr std::int64_t kBlock = 128;  // what a block spreads beyond its end is added at once
  for (std::int64_t begin = 0; begin < width; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, width);
    at::Tensor errors = at::empty({channels, end - begin}, at::kDouble);
    at::parallel_for(0, channels, kRowsOfAThread, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row) {
        const std::int64_t at = row * width + begin;
        round_columns({.rest = rest.mutable_data_ptr<double>() + at,
                       .rounded = rounded.mutable_data_ptr<double>() + at,
                       .errors = errors.mutable_data_ptr<double>() + row * (end - begin),
                       .scale = scale.const_data_ptr<double>() + at,
                       .zero_point = zero_point.const_data_ptr<double>() + at,
                       .upper = upper.const_data_ptr<double>() + begin * width + begin,
                       .size = end - begin,
                       .stride = width,
                       .range = grid.range});
      }
    });
    if (end < width) rest.narrow(1, end, width - end).sub_(errors.matmul(upper.narrow(0, begin, end - begin).narrow(1, end, width - end)));
  }
  return rounded.index_select(1, columns.order.argsort());
}

at::Tensor adaround_round(const at::Tensor& weight, const at::Tensor& gram, const MatrixGrid& grid, std::int64_t iterations) {
  constexpr double kStretch = 1.2, kShift = 0.1, kRate = 0.02, kPress = 10, kWarmUp = 0.2, kSharpFrom = 20, kSharpTo = 2;
  const at::Tensor nearest = round_to_matrix_grid(weight, grid);
  const double base = output_error(weight, nearest, gram);
  if (!(base > 0)) return nearest;
  const at::Tensor below = (weight / grid.scale).floor(), fraction = (weight / grid.scale - below).clamp(1e-4, 1 - 1e-4);
  // h = clamp(1.2 sigmoid(v) - 0.1, 0, 1) starts at the fraction.
  at::Tensor v = -(kStretch / (fraction + kShift) - 1).log();
  at::Tensor first = at::zeros_like(v), second = at::zeros_like(v);
  // Both parts of the loss count a weight as one.
  const double unit = static_cast<double>(weight.numel()) / base;
  for (std::int64_t step = 0; step < iterations; ++step) {
    const at::Tensor s = v.sigmoid(), wide = s * kStretch - kShift, h = wide.clamp(0, 1);
    const at::Tensor difference = to_grid(below + h + grid.zero_point, grid) - weight;
    at::Tensor slope = difference.matmul(gram) * grid.scale * (2 * unit);
    const double done = static_cast<double>(step) / static_cast<double>(iterations);
    if (done > kWarmUp) {
      const double sharpness = kSharpFrom + (kSharpTo - kSharpFrom) * (done - kWarmUp) / (1 - kWarmUp);
      const at::Tensor side = h * 2 - 1;  // d/dh of 1 - |2h - 1|^b
      slope = slope - side.sign() * side.abs().pow(sharpness - 1) * (2 * sharpness * kPress);
    }
    const at::Tensor gradient = slope * kStretch * s * (1 - s) * wide.gt(0).logical_and(wide.lt(1));
    first = first * 0.9 + gradient * 0.1;  // Adam
    second = second * 0.999 + gradient * gradient * 0.001;
    const double t = static_cast<double>(step + 1);
    v = v - kRate * (first / (1 - std::pow(0.9, t))) / ((second / (1 - std::pow(0.999, t))).sqrt() + 1e-12);
  }
  const at::Tensor up = (v.sigmoid() * kStretch - kShift).gt(0.5).to(at::kDouble);
  const at::Tensor rounded = to_grid(below + up + grid.zero_point, grid);
  return output_error(weight, rounded, gram) < base ? rounded : nearest;
}

}  // namespace dsc::quantize
