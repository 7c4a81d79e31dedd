// Vectorised loops of exec/kernels/squared_error.cpp over plain memory; bf16 as its 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsc::kernels {

// The sum of (a - b)^2; for some thousand elements, as they are summed in f32.
float squared_distance(const float* a, const float* b, std::size_t size);
float squared_distance(const std::uint16_t* a, const std::uint16_t* b, std::size_t size);
// y = factor * (a - b).
void scaled_difference(const float* a, const float* b, float* y, std::size_t size, float factor);
void scaled_difference(const std::uint16_t* a, const std::uint16_t* b, std::uint16_t* y, std::size_t size, float factor);

}  // namespace dsc::kernels
