// Loops over the values of one group, vectorised by the compiler for each instruction set. Sums are taken over a fixed number
// of lanes and products are not contracted, so that every processor gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsc::checkpoint::kernels {

// Integers low..high stand for (q - zero) * scale.
struct Affine {
  float scale = 1, zero = 0;
  float low = -8, high = 7;
};

// Smallest and largest of the values and 0.
void extremes(const float* values, std::size_t size, float& smallest, float& largest);

// quotients[i] = values[i] / scale
void divide(const float* values, float scale, float* quotients, std::size_t size);
void add(float* values, float addend, std::size_t size);
// codes[i] = the integer nearest to values[i] (ties to even) within low..high, minus low.
void encode(const float* values, float low, float high, std::uint8_t* codes, std::size_t size);
// The same for values[i] / scale + zero, in f32.
void encode(const float* values, const Affine& grid, std::uint8_t* codes, std::size_t size);
// values[i] = what codes[i] stands for.
void decode(const std::uint8_t* codes, const Affine& grid, float* values, std::size_t size);

// Sum of weight * (value - rounded value)^2; `weights` may be null: all 1.
float squared_error(const float* values, const float* weights, std::size_t size, const Affine& grid);

// Weighted sums over values y and their integers q, from which the best straight line through the pairs follows.
struct LineSums {
  float weight = 0, q = 0, qq = 0, y = 0, yq = 0;
};
LineSums line_sums(const float* values, const float* weights, std::size_t size, const Affine& grid);

// One step of half-quadratic splitting with the l_0.7 norm (Badri and Shaji 2023, HQQ): y = value - shrunken error, errors in units
// of the scale. `threshold` is 1 / beta. `norm` becomes the sum of weight * |error|^0.7 of the grid as it is.
LineSums half_quadratic(const float* values, const float* weights, std::size_t size, const Affine& grid, float threshold, float& norm);

}  // namespace dsc::checkpoint::kernels
