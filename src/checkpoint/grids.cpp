#include "checkpoint/grids.h"

#include <algorithm>
#include <cmath>

namespace dsc::checkpoint {
namespace {

using kernels::Affine;

constexpr int kCandidates = 10;  // 20 lower the error by 0.02 %: lines through the pairs find the rest
constexpr int kRefinements = 4;
constexpr int kHalfQuadraticSteps = 20;

// Where clipping may pay: the fewer bits, the smaller the best range.
float smallest_share(std::int64_t bits) { return bits <= 2 ? 0.4F : bits == 3 ? 0.55F : bits == 4 ? 0.7F : bits <= 6 ? 0.8F : 0.9F; }

Affine empty_grid(std::int64_t bits) {
  const auto half = static_cast<float>(1 << (bits - 1));
  return {.scale = 1, .zero = 0, .low = -half, .high = half - 1};
}

float nearest_integer(float value, const Affine& grid) { return std::clamp(std::nearbyint(value), grid.low, grid.high); }

}  // namespace

float GroupRounder::stored(float scale) const {
  const float rounded = round_to(rounding_.scale, scale);
  return rounded > 0 ? rounded : epsilon(rounding_.scale);
}

// compressed_tensors 0.19, quantization/utils/helpers.py, calculate_qparams.
Affine GroupRounder::minmax(float smallest, float largest) const {
  auto grid = empty_grid(rounding_.weights.bits);
  const auto type = rounding_.source;
  const float steps = grid.high - grid.low;
  if (rounding_.weights.symmetric) {
    grid.scale = stored(round_to(type, std::max(-smallest, largest) / (steps / 2)));
    return grid;
  }
  const float scale = round_to(type, round_to(type, largest - smallest) / steps);
  if (scale > 0)
    grid.zero = nearest_integer(round_to(type, grid.low - round_to(type, smallest / scale)), grid);
  else if (smallest < 0)
    grid.zero = grid.high;  // the quotient is -infinity: values too small for the type
  grid.scale = stored(scale);
  return grid;
}

bool GroupRounder::fit(const kernels::LineSums& sums, Affine& grid) const {
  float scale = 0;
  if (rounding_.weights.symmetric) {
    scale = sums.yq / sums.qq;
  } else {
    const float spread = sums.weight * sums.qq - sums.q * sums.q;
    const float slope = (sums.weight * sums.yq - sums.y * sums.q) / spread;
    if (!(slope > 0) || !std::isfinite(slope)) return false;
    const float zero = nearest_integer((sums.q - sums.y / slope) / sums.weight, grid);
    scale = (sums.yq - zero * sums.y) / (sums.qq - 2 * zero * sums.q + zero * zero * sums.weight);
    grid.zero = zero;
  }
  if (!(scale > 0) || !std::isfinite(scale)) return false;
  grid.scale = stored(scale);
  return true;
}

void GroupRounder::refine(const float* values, const float* moments, std::size_t size, Affine& best, float& error) const {
  for (int step = 0; step < kRefinements; ++step) {
    auto next = best;
    if (!fit(kernels::line_sums(values, moments, size, best), next)) return;
    if (next.scale == best.scale && next.zero == best.zero) return;
    const float next_error = kernels::squared_error(values, moments, size, next);
    if (next_error >= error) return;
    best = next;
    error = next_error;
  }
}

Affine GroupRounder::search(const float* values, const float* moments, std::size_t size, float smallest, float largest) const {
  auto best = minmax(smallest, largest);
  float error = kernels::squared_error(values, moments, size, best);
  const auto consider = [&](const Affine& grid) {
    const float other = kernels::squared_error(values, moments, size, grid);
    if (other >= error) return;
    error = other;
    best = grid;
  };
  const float steps = best.high - best.low;
  const float widest = rounding_.weights.symmetric ? steps / 2 / best.high : 1;
  const float narrowest = smallest_share(rounding_.weights.bits);
  for (int i = 0; i < kCandidates; ++i) {
    const float share = widest + (narrowest - widest) * static_cast<float>(i) / (kCandidates - 1);
    auto grid = best;
    if (rounding_.weights.symmetric) {
      grid.scale = stored(std::max(-smallest, largest) * share / (steps / 2));
    } else {
      grid.scale = stored((largest - smallest) * share / steps);
      grid.zero = nearest_integer(grid.low - smallest * share / grid.scale, grid);
    }
    consider(grid);
  }
  refine(values, moments, size, best, error);
  const auto around = best;
  for (const float factor : {0.985F, 1.015F}) {
    auto grid = around;
    grid.scale = stored(around.scale * factor);
    consider(grid);
  }
  if (!rounding_.weights.symmetric) {
    for (const float shift : {-1.0F, 1.0F}) {
      auto grid = around;
      grid.zero = std::clamp(around.zero + shift, grid.low, grid.high);
      consider(grid);
    }
  }
  refine(values, moments, size, best, error);
  return best;
}

Affine GroupRounder::half_quadratic(const float* values, const float* moments, std::size_t size, const Affine& start) const {
  auto best = start, grid = start;
  float least = INFINITY, threshold = 0.1F;  // 1 / beta, which grows by 1 % a step
  for (int step = 0; step < kHalfQuadraticSteps; ++step) {
    float norm = 0;
    const auto sums = kernels::half_quadratic(values, moments, size, grid, threshold, norm);
    norm *= std::pow(grid.scale, 0.7F);  // back from units of the scale
    if (norm >= least) return best;
    least = norm;
    best = grid;
    if (!fit(sums, grid)) return best;
    if (grid.scale == best.scale && grid.zero == best.zero) return best;
    threshold /= 1.01F;
  }
  return best;
}

Affine GroupRounder::round(const float* values, const float* moments, std::size_t size, std::uint8_t* codes) {
  float smallest = 0, largest = 0;
  kernels::extremes(values, size, smallest, largest);
  const float magnitude = std::max(-smallest, largest);
  const bool plain = rounding_.weights.scales == Scales::minmax || magnitude < 1e-30F;  // reciprocals of such scales overflow
  if (plain) {
    const auto grid = minmax(smallest, largest);
    quotients_.resize(size);
    kernels::divide(values, grid.scale, quotients_.data(), size);
    round_to(rounding_.source, quotients_.data(), size);
    if (grid.zero != 0) {
      kernels::add(quotients_.data(), grid.zero, size);
      round_to(rounding_.source, quotients_.data(), size);
    }
    kernels::encode(quotients_.data(), grid.low, grid.high, codes, size);
    return grid;
  }
  auto grid = minmax(smallest, largest);
  grid = rounding_.weights.scales == Scales::search ? search(values, moments, size, smallest, largest) : half_quadratic(values, moments, size, grid);
  kernels::encode(values, grid, codes, size);
  return grid;
}

}  // namespace dsc::checkpoint
