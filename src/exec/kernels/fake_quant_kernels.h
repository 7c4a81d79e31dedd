// Vectorised loops of exec/kernels/fake_quant.cpp over plain memory; bf16 as its 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsc::kernels {

// x -> clamp(round(x / scale), low, high) * scale; rounding to even. low, high: integers, zero point subtracted.
struct Grid {
  float scale, inverse, low, high;
};

void min_max(const float* x, std::size_t size, float& minimum, float& maximum);
void min_max(const std::uint16_t* x, std::size_t size, float& minimum, float& maximum);
void round_to_grid(const float* x, float* y, std::size_t size, const Grid& grid);
void round_to_grid(const std::uint16_t* x, std::uint16_t* y, std::size_t size, const Grid& grid);
// dx = dy where x lies on the grid, else 0.
void pass_inside(const float* x, const float* dy, float* dx, std::size_t size, const Grid& grid);
void pass_inside(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, const Grid& grid);
// The sum of weights * (x on the grid - x)^2; weights: null, or one for each x.
float grid_error(const float* x, const float* weights, std::size_t size, const Grid& grid);

// y = x + share * (on_grid - x), the middle of a progressive quantisation. on_grid, y: may be the same memory.
void blend(const float* x, const float* on_grid, float* y, std::size_t size, float share);
void blend(const std::uint16_t* x, const std::uint16_t* on_grid, std::uint16_t* y, std::size_t size, float share);
// The gradients of a learned step size (LSQ): dx = dy where x / step lies between the outermost integers, else 0. returns: the sum over dy * d(on grid)/d(step), where that is
// round(x / step) - x / step inside, and the outermost integer outside.
float step_gradient(const float* x, const float* dy, float* dx, std::size_t size, const Grid& grid);
float step_gradient(const std::uint16_t* x, const std::uint16_t* dy, std::uint16_t* dx, std::size_t size, const Grid& grid);

}  // namespace dsc::kernels
