// Sampling and resizing.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "deploy/decompositions.h"
#include "deploy/recorded_calls.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using at::IntArrayRef;
using at::Tensor;

Tensor grid_sampler_2d(const Tensor& input, const Tensor& grid, std::int64_t mode, std::int64_t padding, bool align_corners) {
  return at::grid_sampler(input, grid, mode, padding, align_corners);
}

// OpenVINO divides by the size of the window.
bool has_divisor(const Node& node) { return is_given(node, "divisor_override"); }

double window_of(IntArrayRef kernel, std::size_t rank) {
  double window = 1;
  for (std::size_t i = 0; i < rank; ++i) window *= static_cast<double>(kernel[kernel.size() == 1 ? 0 : i]);
  return window;
}
void check_whole_windows(bool ceil_mode) { TORCH_CHECK(!ceil_mode, "its last windows may be cut off, and all are to be divided by the same number"); }
Tensor avg_pool2d(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding, bool ceil_mode, bool,
                  std::optional<std::int64_t> divisor) {
  check_whole_windows(ceil_mode);
  return at::mul(at::avg_pool2d(self, kernel, stride, padding), window_of(kernel, 2) / static_cast<double>(divisor.value()));
}
Tensor avg_pool3d(const Tensor& self, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding, bool ceil_mode, bool,
                  std::optional<std::int64_t> divisor) {
  check_whole_windows(ceil_mode);
  return at::mul(at::avg_pool3d(self, kernel, stride, padding), window_of(kernel, 3) / static_cast<double>(divisor.value()));
}

// --- resizing to the nearest neighbour of each centre ---

Tensor nearest_along(const Tensor& x, std::int64_t dim, std::int64_t out, std::optional<double> scale) {
  const std::int64_t in = x.size(dim);
  // In single precision, as LibTorch.
  const float step = scale && *scale > 0 ? static_cast<float>(1 / *scale) : static_cast<float>(in) / static_cast<float>(out);
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < out; ++i) {
    places.push_back(std::min(static_cast<std::int64_t>(std::floor((static_cast<float>(i) + 0.5F) * step)), in - 1));
  }
  const auto index = [&] {
    const UnrecordedCalls constant;
    return at::tensor(places, at::kLong);
  }();
  return at::index_select(x, dim, index);
}
Tensor nearest_exact1d(const Tensor& self, IntArrayRef sizes, std::optional<double> scale) { return nearest_along(self, -1, sizes[0], scale); }
Tensor nearest_exact2d(const Tensor& self, IntArrayRef sizes, std::optional<double> h, std::optional<double> w) {
  return nearest_along(nearest_along(self, -2, sizes[0], h), -1, sizes[1], w);
}
Tensor nearest_exact3d(const Tensor& self, IntArrayRef sizes, std::optional<double> d, std::optional<double> h, std::optional<double> w) {
  return nearest_along(nearest_along(nearest_along(self, -3, sizes[0], d), -2, sizes[1], h), -1, sizes[2], w);
}

// --- resizing with antialiasing: a product with a fixed matrix along each dimension ---

struct Filter {
  double reach;  // half its width
  double (*at)(double distance);
};
double triangle(double distance) { return std::max(0.0, 1 - std::abs(distance)); }
// Keys' cubic, a = -1/2.
double cubic(double distance) {
  const double x = std::abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
constexpr Filter kBilinear{1, triangle}, kBicubic{2, cubic};

double step_of(std::int64_t in, std::int64_t out, bool align_corners, std::optional<double> scale) {
  if (align_corners) return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  return scale && *scale > 0 ? 1 / *scale : static_cast<double>(in) / static_cast<double>(out);
}

// shapes: [out, in]. source: LibTorch's UpSampleKernel.cpp, compute_indices_weights_aa.
Tensor resizing_matrix(std::int64_t in, std::int64_t out, double step, const Filter& filter) {
  std::vector<double> matrix(static_cast<std::size_t>(in * out), 0.0);
  const double widened = std::max(step, 1.0), reach = filter.reach * widened;
  for (std::int64_t i = 0; i < out; ++i) {
    const double centre = step * (static_cast<double>(i) + 0.5);
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - reach + 0.5), 0);
    const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + reach + 0.5), in);
    double total = 0;
    double* row = &matrix[static_cast<std::size_t>(i * in)];
    for (auto j = first; j < end; ++j) total += row[j] = filter.at((static_cast<double>(j) - centre + 0.5) / widened);
    for (auto j = first; j < end && total != 0; ++j) row[j] /= total;
  }
  const UnrecordedCalls constant;
  return at::tensor(matrix).reshape({out, in}).to(at::kFloat);
}

Tensor resize(const Tensor& x, IntArrayRef sizes, bool align_corners, std::optional<double> scale_h, std::optional<double> scale_w, const Filter& filter) {
  const auto matrix = [&](std::int64_t dim, std::int64_t out, std::optional<double> scale) {
    return resizing_matrix(x.size(dim), out, step_of(x.size(dim), out, align_corners, scale), filter);
  };
  const Tensor tall = at::matmul(matrix(-2, sizes[0], scale_h), x);
  return at::matmul(tall, at::t(matrix(-1, sizes[1], scale_w)));
}
Tensor bilinear_aa(const Tensor& self, IntArrayRef sizes, bool align_corners, std::optional<double> h, std::optional<double> w) {
  return resize(self, sizes, align_corners, h, w, kBilinear);
}
Tensor bicubic_aa(const Tensor& self, IntArrayRef sizes, bool align_corners, std::optional<double> h, std::optional<double> w) {
  return resize(self, sizes, align_corners, h, w, kBicubic);
}

}  // namespace

const Decompositions& image_decompositions() {
  static const Decompositions table = {
      {"aten.avg_pool2d", decomposition(avg_pool2d, has_divisor)},
      {"aten.avg_pool3d", decomposition(avg_pool3d, has_divisor)},
      {"aten.grid_sampler_2d", decomposition(grid_sampler_2d)},
      {"aten._upsample_nearest_exact1d.default", decomposition(nearest_exact1d)},
      {"aten._upsample_nearest_exact2d.default", decomposition(nearest_exact2d)},
      {"aten._upsample_nearest_exact3d.default", decomposition(nearest_exact3d)},
      {"aten._upsample_bilinear2d_aa.default", decomposition(bilinear_aa, always)},
      {"aten._upsample_bilinear2d_aa.vec", composite()},
      {"aten._upsample_bicubic2d_aa.default", decomposition(bicubic_aa, always)},
      {"aten._upsample_bicubic2d_aa.vec", composite()},
  };
  return table;
}

}  // namespace dsc
