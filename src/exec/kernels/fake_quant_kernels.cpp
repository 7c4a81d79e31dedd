#include "exec/kernels/fake_quant_kernels.h"

#include <limits>

#include "core/vectorised.h"

namespace dsc::kernels {
namespace {

constexpr std::size_t kLanes = 32;
// Adding and subtracting 1.5 * 2^23 rounds a float below 2^22 to the nearest integer, ties to even.
constexpr float kRounder = 12582912.0F;

inline float snap(float x, const Grid& grid) {
  float v = x * grid.inverse;
  v = v < grid.low ? grid.low : v;
  v = v > grid.high ? grid.high : v;
  return ((v + kRounder) - kRounder) * grid.scale;
}
inline bool is_inside(float x, const Grid& grid) {
  const float v = (x * grid.inverse + kRounder) - kRounder;
  return v >= grid.low && v <= grid.high;
}

template <class T>
DSC_LOOP void min_max_of(const T* x, std::size_t size, float& minimum, float& maximum) {
  float low[kLanes], high[kLanes];
  for (std::size_t j = 0; j < kLanes; ++j) {
    low[j] = std::numeric_limits<float>::infinity();
    high[j] = -std::numeric_limits<float>::infinity();
  }
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float v = widen(x[i + j]);
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
    }
  }
  for (; i < size; ++i) {
    const float v = widen(x[i]);
    low[0] = v < low[0] ? v : low[0];
    high[0] = v > high[0] ? v : high[0];
  }
  for (std::size_t j = 1; j < kLanes; ++j) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
  }
  minimum = low[0];
  maximum = high[0];
}

// Lanes of sums, so that the loop vectorises and the order of additions is fixed.
template <class T>
DSC_LOOP float step_gradient_of(const T* x, const T* dy, T* dx, std::size_t size, const Grid& grid) {
  const Grid g = grid;
  float sums[kLanes] = {};
  for (std::size_t i = 0; i < size; i += kLanes) {
    const std::size_t lanes = size - i < kLanes ? size - i : kLanes;
    for (std::size_t j = 0; j < lanes; ++j) {
      const float v = widen(x[i + j]) * g.inverse, d = widen(dy[i + j]);
      const float low = v < g.low ? g.low : v;
      const float inside = low > g.high ? g.high : low;
      const float whole = (inside + kRounder) - kRounder;
      const bool passes = v >= g.low && v <= g.high;
      dx[i + j] = passes ? dy[i + j] : T{0};
      sums[j] += d * (passes ? whole - v : whole);
    }
  }
  float sum = 0;
  for (std::size_t j = 0; j < kLanes; ++j) sum += sums[j];
  return sum;
}

// weight(i): what the error of x[i] counts.
template <class Weight>
DSC_LOOP float grid_error_of(const float* x, std::size_t size, const Grid& grid, Weight weight) {
  const Grid g = grid;
  float sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float error = snap(x[i + j], g) - x[i + j];
      sums[j] += weight(i + j) * error * error;
    }
  }
  for (; i < size; ++i) {
    const float error = snap(x[i], g) - x[i];
    sums[0] += weight(i) * error * error;
  }
  float sum = 0;
  for (std::size_t j = 0; j < kLanes; ++j) sum += sums[j];
  return sum;
}

DSC_VECTORISED float plain_grid_error(const float* x, std::size_t size, const Grid& grid) {
  return grid_error_of(x, size, grid, [](std::size_t) __attribute__((always_inline)) { return 1.0F; });
}
DSC_VECTORISED float weighted_grid_error(const float* x, const float* weights, std::size_t size, const Grid& grid) {
  return grid_error_of(x, size, grid, [weights](std::size_t i) __attribute__((always_inline)) { return weights[i]; });
}

}  // namespace

float grid_error(const float* x, const float* weights, std::size_t size, const Grid& grid) {
  return weights ? weighted_grid_error(x, weights, size, grid) : plain_grid_error(x, size, grid);
}

DSC_VECTORISED void min_max(const float* x, std::size_t size, float& minimum, float& maximum) { min_max_of(x, size, minimum, maximum); }
DSC_VECTORISED void min_max(const std::uint16_t* x, std::size_t size, float& minimum, float& maximum) { min_max_of(x, size, minimum, maximum); }

DSC_VECTORISED void round_to_grid(const float* x, float* y, std::size_t size, const Grid& grid) {
  const Grid g = grid;
  for (std::size_t i = 0; i < size; ++i) y[i] = snap(x[i], g);
}

DSC_VECTORISED void round_to_grid(const std::uint16_t* x, std::uint16_t* y, std::size_t size, const Grid& grid) {
  const Grid g = grid;
  for (std::size_t i = 0; i < size; ++i) y[i] = narrow(snap(widen(x[i]), g));
}

DSC_VECTORISED void pass_inside(const float* x, const float* dy, float* dx, std::size_t size, const Grid& grid) {
  const Grid g = grid;
  for (std::size_t i = 0; i < size; ++i) dx[i] = is_inside(x[i], g) ? dy[i] : 0.0F;
}

DSC_VECTORISED void pass_inside(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, const Grid& grid) {
  const Grid g = grid;
  for (std::size_t i = 0; i < size; ++i) dx[i] = is_inside(widen(x[i]), g) ? dy[i] : std::uint16_t{0};
}

DSC_VECTORISED void blend(const float* x, const float* on_grid, float* y, std::size_t size, float share) {
  for (std::size_t i = 0; i < size; ++i) y[i] = x[i] + share * (on_grid[i] - x[i]);
}

DSC_VECTORISED void blend(const std::uint16_t* x, const std::uint16_t* on_grid, std::uint16_t* y, std::size_t size, float share) {
  for (std::size_t i = 0; i < size; ++i) y[i] = narrow(widen(x[i]) + share * (widen(on_grid[i]) - widen(x[i])));
}

DSC_VECTORISED float step_gradient(const float* x, const float* dy, float* dx, std::size_t size, const Grid& grid) {
  return step_gradient_of(x, dy, dx, size, grid);
}
DSC_VECTORISED float step_gradient(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, const Grid& grid) {
  return step_gradient_of(x, dy, dx, size, grid);
}

}  // namespace dsc::kernels
