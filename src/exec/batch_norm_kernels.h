// Vectorised loops of exec/batch_norm.cpp over bf16 memory in which channels alternate (NHWC).
//
// Coefficients and sums are arrays of `period` floats, a multiple of the channels: long enough to fill the processor's
// vectors even when there are few channels, or a number that no vector divides. `size` need not be a multiple of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsc::kernels {

// sum += x - shift, square += (x - shift)^2.
void add_moments(const std::uint16_t* x, std::size_t size, std::size_t period, const float* shift, float* sum, float* square);
// y = scale * x + offset.
void scale_and_add(const std::uint16_t* x, std::uint16_t* y, std::size_t size, std::size_t period, const float* scale, const float* offset);
// sum += dy, product += dy * (x - mean).
void add_products(const std::uint16_t* x, const std::uint16_t* dy, std::size_t size, std::size_t period, const float* mean, float* sum, float* product);
// dx = of_dy * dy + of_x * x + offset.
void combine(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, std::size_t period, const float* of_dy,
             const float* of_x, const float* offset);

}  // namespace dsc::kernels
