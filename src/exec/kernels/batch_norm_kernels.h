// Vectorised loops of exec/kernels/batch_norm.cpp over bf16 (its 16 bits) or f32 memory in which channels alternate (NHWC).
//
// Coefficients and sums are arrays of `period` floats, a multiple of the channels: long enough to fill the processor's
// vectors even when there are few channels, or a number that no vector divides. `size` need not be a multiple of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsc::kernels {

// What a rectifier lets pass: from `low` to `high`; the gradient passes strictly inside.
struct Range {
  float low, high;
};
// The forward map of a channel, to tell from x whether the rectifier let it pass.
struct Map {
  const float *scale, *offset;
  Range range;
};

// sum += x - shift, square += (x - shift)^2.
void add_moments(const std::uint16_t* x, std::size_t size, std::size_t period, const float* shift, float* sum, float* square);
void add_moments(const float* x, std::size_t size, std::size_t period, const float* shift, float* sum, float* square);
// y = scale * x + offset, clamped.
void scale_and_add(const std::uint16_t* x, std::uint16_t* y, std::size_t size, std::size_t period, const float* scale, const float* offset,
                   Range range);
void scale_and_add(const float* x, float* y, std::size_t size, std::size_t period, const float* scale, const float* offset, Range range);
// y = scale * x + offset + addend, clamped.
void scale_and_join(const std::uint16_t* x, const std::uint16_t* addend, std::uint16_t* y, std::size_t size, std::size_t period, const float* scale,
                    const float* offset, Range range);
void scale_and_join(const float* x, const float* addend, float* y, std::size_t size, std::size_t period, const float* scale, const float* offset,
                    Range range);
// dz = dy where y is inside the range, else 0.
void pass_inside(const std::uint16_t* y, const std::uint16_t* dy, std::uint16_t* dz, std::size_t size, Range range);
void pass_inside(const float* y, const float* dy, float* dz, std::size_t size, Range range);
// sum += dz, product += dz * (x - mean), where dz = dy if the map's value is inside the range, else 0.
void add_products(const std::uint16_t* x, const std::uint16_t* dy, std::size_t size, std::size_t period, Map map, const float* mean, float* sum,
                  float* product);
void add_products(const float* x, const float* dy, std::size_t size, std::size_t period, Map map, const float* mean, float* sum, float* product);
// dx = of_dz * dz + of_x * x + offset.
void combine(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, std::size_t period, Map map, const float* of_dz,
             const float* of_x, const float* offset);
void combine(const float* x, const float* dy, float* dx, std::size_t size, std::size_t period, Map map, const float* of_dz, const float* of_x,
             const float* offset);

}  // namespace dsc::kernels
