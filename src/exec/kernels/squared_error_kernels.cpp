#include "exec/kernels/squared_error_kernels.h"

#include "core/vectorised.h"

namespace dsc::kernels {
namespace {

constexpr std::size_t kLanes = 32;

template <class T>
DSC_LOOP float squared_distance_of(const T* a, const T* b, std::size_t size) {
  float sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float d = widen(a[i + j]) - widen(b[i + j]);
      sums[j] += d * d;
    }
  }
  for (; i < size; ++i) {
    const float d = widen(a[i]) - widen(b[i]);
    sums[0] += d * d;
  }
  for (std::size_t j = 1; j < kLanes; ++j) sums[0] += sums[j];
  return sums[0];
}

}  // namespace

DSC_VECTORISED float squared_distance(const float* a, const float* b, std::size_t size) { return squared_distance_of(a, b, size); }
DSC_VECTORISED float squared_distance(const std::uint16_t* a, const std::uint16_t* b, std::size_t size) { return squared_distance_of(a, b, size); }

DSC_VECTORISED void scaled_difference(const float* a, const float* b, float* y, std::size_t size, float factor) {
  for (std::size_t i = 0; i < size; ++i) y[i] = factor * (a[i] - b[i]);
}

DSC_VECTORISED void scaled_difference(const std::uint16_t* a, const std::uint16_t* b, std::uint16_t* y, std::size_t size, float factor) {
  for (std::size_t i = 0; i < size; ++i) y[i] = narrow(factor * (widen(a[i]) - widen(b[i])));
}

}  // namespace dsc::kernels
