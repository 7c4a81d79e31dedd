#include "exec/batch_norm_kernels.h"

#include "exec/vectorised.h"

namespace dsc::kernels {

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
                                  const float* __restrict scale, const float* __restrict offset) {
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) y[i + j] = narrow(scale[j] * widen(x[i + j]) + offset[j]);
  }
}

DSC_VECTORISED void add_products(const std::uint16_t* __restrict x, const std::uint16_t* __restrict dy, std::size_t size, std::size_t period,
                                 const float* __restrict mean, float* __restrict sum, float* __restrict product) {
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) {
      const float d = widen(dy[i + j]);
      sum[j] += d;
      product[j] += d * (widen(x[i + j]) - mean[j]);
    }
  }
}

DSC_VECTORISED void combine(const std::uint16_t* __restrict x, const std::uint16_t* __restrict dy, std::uint16_t* __restrict dx, std::size_t size,
                            std::size_t period, const float* __restrict of_dy, const float* __restrict of_x, const float* __restrict offset) {
  for (std::size_t i = 0; i < size; i += period) {
    const std::size_t count = size - i < period ? size - i : period;
    for (std::size_t j = 0; j < count; ++j) dx[i + j] = narrow(of_dy[j] * widen(dy[i + j]) + of_x[j] * widen(x[i + j]) + offset[j]);
  }
}

}  // namespace dsc::kernels
