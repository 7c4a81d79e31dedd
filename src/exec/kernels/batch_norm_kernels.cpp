#include "exec/kernels/batch_norm_kernels.h"

#include "core/vectorised.h"

namespace dsc::kernels {
namespace {

// NaN stays NaN.
DSC_LOOP float clamp(float z, float low, float high) { return z < low ? low : high < z ? high : z; }

template <class T>
DSC_LOOP void sum_moments(const T* __restrict x, std::size_t size, std::size_t period, const float* __restrict shift, float* __restrict sum,
                          float* __restrict square) {
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float v = widen(x[i + j]) - shift[j];
      sum[j] += v;
      square[j] += v * v;
    }
  }
}

template <class T>
DSC_LOOP void map_rows(const T* __restrict x, T* __restrict y, std::size_t size, std::size_t period, const float* __restrict scale,
                       const float* __restrict offset, Range range) {
  const float low = range.low, high = range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) store(clamp(scale[j] * widen(x[i + j]) + offset[j], low, high), y[i + j]);
  }
}

template <class T>
DSC_LOOP void map_and_join(const T* __restrict x, const T* __restrict addend, T* __restrict y, std::size_t size, std::size_t period,
                           const float* __restrict scale, const float* __restrict offset, Range range) {
  const float low = range.low, high = range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) store(clamp(scale[j] * widen(x[i + j]) + offset[j] + widen(addend[i + j]), low, high), y[i + j]);
  }
}

template <class T>
DSC_LOOP void pass(const T* __restrict y, const T* __restrict dy, T* __restrict dz, std::size_t size, Range range) {
  const float low = range.low, high = range.high;
  for (std::size_t i = 0; i < size; ++i) {
    const float v = widen(y[i]);
    dz[i] = (v > low) & (v < high) ? dy[i] : T{0};
  }
}

template <class T>
DSC_LOOP void sum_products(const T* __restrict x, const T* __restrict dy, std::size_t size, std::size_t period, Map map, const float* __restrict mean,
                           float* __restrict sum, float* __restrict product) {
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

template <class T>
DSC_LOOP void combine_rows(const T* __restrict x, const T* __restrict dy, T* __restrict dx, std::size_t size, std::size_t period, Map map,
                           const float* __restrict of_dz, const float* __restrict of_x, const float* __restrict shift) {
  const float *__restrict scale = map.scale, *__restrict offset = map.offset, low = map.range.low, high = map.range.high;
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float v = widen(x[i + j]), z = scale[j] * v + offset[j], d = widen(dy[i + j]), dz = (z > low) & (z < high) ? d : 0.0F;
      store(of_dz[j] * dz + of_x[j] * v + shift[j], dx[i + j]);
    }
  }
}

}  // namespace

DSC_VECTORISED void add_moments(const std::uint16_t* x, std::size_t size, std::size_t period, const float* shift, float* sum, float* square) {
  sum_moments(x, size, period, shift, sum, square);
}
DSC_VECTORISED void add_moments(const float* x, std::size_t size, std::size_t period, const float* shift, float* sum, float* square) {
  sum_moments(x, size, period, shift, sum, square);
}
DSC_VECTORISED void scale_and_add(const std::uint16_t* x, std::uint16_t* y, std::size_t size, std::size_t period, const float* scale,
                                  const float* offset, Range range) {
  map_rows(x, y, size, period, scale, offset, range);
}
DSC_VECTORISED void scale_and_add(const float* x, float* y, std::size_t size, std::size_t period, const float* scale, const float* offset,
                                  Range range) {
  map_rows(x, y, size, period, scale, offset, range);
}
DSC_VECTORISED void scale_and_join(const std::uint16_t* x, const std::uint16_t* addend, std::uint16_t* y, std::size_t size, std::size_t period,
                                   const float* scale, const float* offset, Range range) {
  map_and_join(x, addend, y, size, period, scale, offset, range);
}
DSC_VECTORISED void scale_and_join(const float* x, const float* addend, float* y, std::size_t size, std::size_t period, const float* scale,
                                   const float* offset, Range range) {
  map_and_join(x, addend, y, size, period, scale, offset, range);
}
DSC_VECTORISED void pass_inside(const std::uint16_t* y, const std::uint16_t* dy, std::uint16_t* dz, std::size_t size, Range range) {
  pass(y, dy, dz, size, range);
}
DSC_VECTORISED void pass_inside(const float* y, const float* dy, float* dz, std::size_t size, Range range) { pass(y, dy, dz, size, range); }
DSC_VECTORISED void add_products(const std::uint16_t* x, const std::uint16_t* dy, std::size_t size, std::size_t period, Map map, const float* mean,
                                 float* sum, float* product) {
  sum_products(x, dy, size, period, map, mean, sum, product);
}
DSC_VECTORISED void add_products(const float* x, const float* dy, std::size_t size, std::size_t period, Map map, const float* mean, float* sum,
                                 float* product) {
  sum_products(x, dy, size, period, map, mean, sum, product);
}
DSC_VECTORISED void combine(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, std::size_t period, Map map,
                            const float* of_dz, const float* of_x, const float* offset) {
  combine_rows(x, dy, dx, size, period, map, of_dz, of_x, offset);
}
DSC_VECTORISED void combine(const float* x, const float* dy, float* dx, std::size_t size, std::size_t period, Map map, const float* of_dz,
                            const float* of_x, const float* offset) {
  combine_rows(x, dy, dx, size, period, map, of_dz, of_x, offset);
}

}  // namespace dsc::kernels
