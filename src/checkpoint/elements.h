// Floating-point element types of checkpoints, and rows of them as f32 and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dsc::checkpoint {

enum class Element : std::uint8_t { f32, f16, bf16, f8_e4m3 };

// none: no floating-point type that can be rounded.
std::optional<Element> element_of(std::string_view dtype);
std::string_view dtype_of(Element element);  // "BF16", as safetensors files say
std::size_t bytes_of(Element element);

// values[i] as f32. returns: whether all are finite.
bool widen(Element element, const void* values, float* wide, std::size_t size);
// To nearest, ties to even. Not for f8_e4m3.
void narrow(Element element, const float* wide, void* values, std::size_t size);
// wide[i] = the nearest value of `element`, still as f32.
void round_to(Element element, float* wide, std::size_t size);
float round_to(Element element, float value);
// The distance from 1 to the next larger value.
float epsilon(Element element);

}  // namespace dsc::checkpoint
