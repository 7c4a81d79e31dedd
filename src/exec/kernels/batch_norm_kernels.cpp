#include "exec/kernels/batch_norm_kernels.h"

#include "core/vectorised.h"

namespace dsc::kernels {
namespace {

// NaN stays NaN.
DSC_LOOP float clamp(float z, float low, float high) { return z < low ? low : high < z ? high : z; }

}  // namespace

DSC_VECTORISED void add_moments(const std::uint16_t* __restrict x, std::size_t size, std::size_t period, const float* __restrict shift,
                                float* __restrict sum, float* __restrict square) {
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float v = widen(x[i + j]) - shift[j];
      sum[j] += v;
      square[j] += v * v;
    }
  }
}

DSC_VECTORISED void scale_and_add(const std::uint16_t* __restrict x, std::uint16_t* __restrict y, std::size_t size, std::size_t period,
                                  const float* __restrict scale, const float* __restrict offset, Range range) {
  const float low = range.low, high = range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float z = scale[j] * widen(x[i + j]) + offset[j];
      y[i + j] = narrow(clamp(z, low, high));
    }
  }
}

DSC_VECTORISED void scale_and_join(const std::uint16_t* __restrict x, const std::uint16_t* __restrict addend, std::uint16_t* __restrict y,
                                   std::size_t size, std::size_t period, const float* __restrict scale, const float* __restrict offset, Range range) {
  const float low = range.low, high = range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float z = scale[j] * widen(x[i + j]) + offset[j] + widen(addend[i + j]);
      y[i + j] = narrow(clamp(z, low, high));
    }
  }
}

DSC_VECTORISED void pass_inside(const std::uint16_t* __restrict y, const std::uint16_t* __restrict dy, std::uint16_t* __restrict dz, std::size_t size,
                                Range range) {
  const float low = range.low, high = range.high;
  for (std::size_t i = 0; i < size; ++i) {
    const float v = widen(y[i]);
    dz[i] = (v > low) & (v < high) ? dy[i] : std::uint16_t{0};
  }
}

DSC_VECTORISED void add_products(const std::uint16_t* __restrict x, const std::uint16_t* __restrict dy, std::size_t size, std::size_t period, Map map,
                                 const float* __restrict mean, float* __restrict sum, float* __restrict product) {
  const float *__restrict scale = map.scale, *__restrict offset = map.offset, low = map.range.low, high = map.range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float v = widen(x[i + j]), z = scale[j] * v + offset[j], d = widen(dy[i + j]), dz = (z > low) & (z < high) ? d : 0.0F;
      sum[j] += dz;
      product[j] += dz * (v - mean[j]);
    }
  }
}

DSC_VECTORISED void combine(const std::uint16_t* __restrict x, const std::uint16_t* __restrict dy, std::uint16_t* __restrict dx, std::size_t size,
                            std::size_t period, Map map, const float* __restrict of_dz, const float* __restrict of_x, const float* __restrict shift) {
  const float *__restrict scale = map.scale, *__restrict offset = map.offset, low = map.range.low, high = map.range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float v = widen(x[i + j]), z = scale[j] * v + offset[j], d = widen(dy[i + j]), dz = (z > low) & (z < high) ? d : 0.0F;
      dx[i + j] = narrow(of_dz[j] * dz + of_x[j] * v + shift[j]);
    }
  }
}

}  // namespace dsc::kernels
