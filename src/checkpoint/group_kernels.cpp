// Compiled without contraction of products and sums (src/CMakeLists.txt).
#include "checkpoint/group_kernels.h"

#include <bit>
#include <cmath>

#include "core/vectorised.h"

namespace dsc::checkpoint::kernels {
namespace {

constexpr std::size_t kLanes = 16;
constexpr float kRounder = 0x1.8p23F;  // x + kRounder - kRounder is x rounded to an integer, ties to even, for |x| < 2^22

inline float clamp(float x, float low, float high) {
  const float at_least = x < low ? low : x;
  return at_least > high ? high : at_least;
}

inline float nearest(float x, float low, float high) { return clamp(x, low, high) + kRounder - kRounder; }

// By halves: four additions in a row, not sixteen.
inline float sum_of(float* lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

// x^-0.3 for x > 0, within 1e-3: exponent and mantissa apart, polynomials for log2 on [1, 2) and 2^y on [0, 1).
inline float power(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127);
  const float m = std::bit_cast<float>((bits & 0x7FFFFFU) | 0x3F800000U);
  const float log2 = exponent - 2.4967818F + m * (4.0283923F + m * (-2.0810773F + m * (0.6288222F - m * 0.0791512F)));
  const float y = -0.3F * log2;
  const float whole = (y - 0.5F) + kRounder - kRounder;
  const float f = y - whole;
  const float fraction = 0.9998120F + f * (0.6968383F + f * (0.2241267F + f * 0.0790200F));
  return fraction * std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::int32_t>(whole) + 127) << 23);
}

struct Ones {
  float operator[](std::size_t) const { return 1; }
};

template <class Weights>
DSC_LOOP float squared_error_of(const float* values, Weights weights, std::size_t size, const Affine& grid) {
  const float scale = grid.scale, inverse = 1 / scale, zero = grid.zero;
  const float low = grid.low, high = grid.high;
  float sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float x = values[i + j];
      const float d = x - (nearest(x * inverse + zero, low, high) - zero) * scale;
      sums[j] += d * d * weights[i + j];
    }
  }
  for (; i < size; ++i) {
    const float d = values[i] - (nearest(values[i] * inverse + zero, low, high) - zero) * scale;
    sums[0] += d * d * weights[i];
  }
  return sum_of(sums);
}

template <class Weights>
DSC_LOOP LineSums line_sums_of(const float* values, Weights weights, std::size_t size, const Affine& grid) {
  const float inverse = 1 / grid.scale, zero = grid.zero, low = grid.low, high = grid.high;
  float weight[kLanes] = {}, q1[kLanes] = {}, q2[kLanes] = {}, y1[kLanes] = {}, yq[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float y = values[i + j], h = weights[i + j];
      const float q = nearest(y * inverse + zero, low, high);
      weight[j] += h;
      q1[j] += h * q;
      q2[j] += h * q * q;
      y1[j] += h * y;
      yq[j] += h * y * q;
    }
  }
  for (; i < size; ++i) {
    const float y = values[i], h = weights[i];
    const float q = nearest(y * inverse + zero, low, high);
    weight[0] += h;
    q1[0] += h * q;
    q2[0] += h * q * q;
    y1[0] += h * y;
    yq[0] += h * y * q;
  }
  return {sum_of(weight), sum_of(q1), sum_of(q2), sum_of(y1), sum_of(yq)};
}

template <class Weights>
DSC_LOOP LineSums half_quadratic_of(const float* values, Weights weights, std::size_t size, const Affine& grid, float threshold, float& norm) {
  const float scale = grid.scale, inverse = 1 / scale, zero = grid.zero, low = grid.low, high = grid.high;
  float weight[kLanes] = {}, q1[kLanes] = {}, q2[kLanes] = {}, y1[kLanes] = {}, yq[kLanes] = {}, norms[kLanes] = {};
  for (std::size_t i = 0; i < size; i += kLanes) {
    const std::size_t count = size - i < kLanes ? size - i : kLanes;
    for (std::size_t j = 0; j < count; ++j) {
      const float x = values[i + j], h = weights[i + j];
      const float q = nearest(x * inverse + zero, low, high);
      const float error = (x * inverse + zero) - q;
      const float size_of_error = std::fabs(error) + 1e-8F;
      const float falling = power(size_of_error);
      const float rest = size_of_error - threshold * falling;
      const float shrunken = std::copysign(rest > 0 ? rest : 0, error);
      const float y = x - shrunken * scale;
      norms[j] += h * size_of_error * falling;
      weight[j] += h;
      q1[j] += h * q;
      q2[j] += h * q * q;
      y1[j] += h * y;
      yq[j] += h * y * q;
    }
  }
  norm = sum_of(norms);
  return {sum_of(weight), sum_of(q1), sum_of(q2), sum_of(y1), sum_of(yq)};
}

}  // namespace

// On integers in the order of the values: GCC vectorises their minimum and maximum, not those of floats.
DSC_VECTORISED void extremes(const float* values, std::size_t size, float& smallest, float& largest) {
  std::int32_t low = 0, high = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto bits = std::bit_cast<std::int32_t>(values[i]);
    const auto key = bits ^ ((bits >> 31) & 0x7FFFFFFF);
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  smallest = std::bit_cast<float>(low ^ ((low >> 31) & 0x7FFFFFFF));
  largest = std::bit_cast<float>(high);
}

DSC_VECTORISED void divide(const float* values, float scale, float* quotients, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) quotients[i] = values[i] / scale;
}

DSC_VECTORISED void add(float* values, float addend, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) values[i] += addend;
}

DSC_VECTORISED void encode(const float* values, float low, float high, std::uint8_t* codes, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(nearest(values[i], low, high) - low));
}

DSC_VECTORISED void encode(const float* values, const Affine& grid, std::uint8_t* codes, std::size_t size) {
  const float inverse = 1 / grid.scale, zero = grid.zero, low = grid.low, high = grid.high;
  for (std::size_t i = 0; i < size; ++i) {
    codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(nearest(values[i] * inverse + zero, low, high) - low));
  }
}

DSC_VECTORISED void decode(const std::uint8_t* codes, const Affine& grid, float* values, std::size_t size) {
  const float scale = grid.scale, offset = grid.low - grid.zero;
  for (std::size_t i = 0; i < size; ++i) values[i] = (static_cast<float>(codes[i]) + offset) * scale;
}

// Both are cloned for the instruction sets; the choice between them is not.
DSC_VECTORISED float plain_squared_error(const float* values, std::size_t size, const Affine& grid) { return squared_error_of(values, Ones(), size, grid); }
DSC_VECTORISED float weighted_squared_error(const float* values, const float* weights, std::size_t size, const Affine& grid) {
  return squared_error_of(values, weights, size, grid);
}
DSC_VECTORISED LineSums plain_line_sums(const float* values, std::size_t size, const Affine& grid) { return line_sums_of(values, Ones(), size, grid); }
DSC_VECTORISED LineSums weighted_line_sums(const float* values, const float* weights, std::size_t size, const Affine& grid) {
  return line_sums_of(values, weights, size, grid);
}
DSC_VECTORISED LineSums plain_half_quadratic(const float* values, std::size_t size, const Affine& grid, float threshold, float& norm) {
  return half_quadratic_of(values, Ones(), size, grid, threshold, norm);
}
DSC_VECTORISED LineSums weighted_half_quadratic(const float* values, const float* weights, std::size_t size, const Affine& grid, float threshold, float& norm) {
  return half_quadratic_of(values, weights, size, grid, threshold, norm);
}

float squared_error(const float* values, const float* weights, std::size_t size, const Affine& grid) {
  return weights ? weighted_squared_error(values, weights, size, grid) : plain_squared_error(values, size, grid);
}

LineSums line_sums(const float* values, const float* weights, std::size_t size, const Affine& grid) {
  return weights ? weighted_line_sums(values, weights, size, grid) : plain_line_sums(values, size, grid);
}

LineSums half_quadratic(const float* values, const float* weights, std::size_t size, const Affine& grid, float threshold, float& norm) {
  return weights ? weighted_half_quadratic(values, weights, size, grid, threshold, norm) : plain_half_quadratic(values, size, grid, threshold, norm);
}

}  // namespace dsc::checkpoint::kernels
