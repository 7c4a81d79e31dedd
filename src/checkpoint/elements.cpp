#include "checkpoint/elements.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/vectorised.h"
#include "dscompress/error.h"

namespace dsc::checkpoint {
namespace {

struct ElementRow {
  std::string_view dtype;
  std::size_t bytes;
  float epsilon;
};
// In the order of Element.
constexpr std::array<ElementRow, 4> kElements = {{{"F32", 4, 0x1p-23F}, {"F16", 2, 0x1p-10F}, {"BF16", 2, 0x1p-7F}, {"F8_E4M3", 1, 0x1p-3F}}};

const ElementRow& row_of(Element element) { return kElements.at(static_cast<std::size_t>(element)); }

constexpr std::uint32_t kExponent = 0x7F800000U;

// Exponent and mantissa of a narrow type, shifted to where f32 has them, times the ratio of the exponents' biases; this way
// subnormal values come out right as well.
inline float widen_f16(std::uint16_t half) {
  const float magnitude = std::bit_cast<float>(static_cast<std::uint32_t>(half & 0x7FFFU) << 13) * 0x1p112F;
  auto bits = std::bit_cast<std::uint32_t>(magnitude);
  bits |= magnitude >= 65536.0F ? kExponent : 0U;  // infinity, NaN
  return std::bit_cast<float>(bits | (static_cast<std::uint32_t>(half & 0x8000U) << 16));
}

inline float widen_f8(std::uint8_t code) {
  const float magnitude = std::bit_cast<float>(static_cast<std::uint32_t>(code & 0x7FU) << 20) * 0x1p120F;
  auto bits = std::bit_cast<std::uint32_t>(magnitude);
  bits |= (code & 0x7FU) == 0x7FU ? kExponent : 0U;  // NaN; the type has no infinity
  return std::bit_cast<float>(bits | (static_cast<std::uint32_t>(code & 0x80U) << 24));
}

inline std::uint16_t narrow_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  return static_cast<std::uint16_t>((bits & ~0x80000000U) > kExponent ? (bits >> 16) | 0x40U : rounded);  // NaN stays NaN
}

inline std::uint16_t narrow_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = (bits >> 16) & 0x8000U;
  const auto magnitude = bits & 0x7FFFFFFFU;
  // Below the smallest normal number, adding 0.5 puts the f16 mantissa in the lowest bits, rounded by the addition itself.
  const auto subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  const auto normal = (magnitude - 0x38000000U + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  const auto special = magnitude > kExponent ? 0x7E00U : 0x7C00U;
  const auto finite = magnitude < 0x38800000U ? subnormal : normal;
  return static_cast<std::uint16_t>(sign | (magnitude >= 0x47800000U ? special : finite));
}

// returns: whether all are finite.
template <class T, class Convert>
DSC_LOOP bool widen_all(const T* values, float* wide, std::size_t size, Convert convert) {
  std::uint32_t infinite = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const float result = convert(values[i]);
    infinite |= (std::bit_cast<std::uint32_t>(result) & kExponent) == kExponent;
    wide[i] = result;
  }
  return infinite == 0;
}

DSC_VECTORISED bool widen_all_f32(const float* values, float* wide, std::size_t size) {
  return widen_all(values, wide, size, [](float value) { return value; });
}
DSC_VECTORISED bool widen_all_f16(const std::uint16_t* values, float* wide, std::size_t size) { return widen_all(values, wide, size, widen_f16); }
DSC_VECTORISED bool widen_all_bf16(const std::uint16_t* values, float* wide, std::size_t size) {
  return widen_all(values, wide, size, [](std::uint16_t value) { return dsc::kernels::widen(value); });
}
DSC_VECTORISED bool widen_all_f8(const std::uint8_t* values, float* wide, std::size_t size) { return widen_all(values, wide, size, widen_f8); }

DSC_VECTORISED void narrow_all_bf16(const float* wide, std::uint16_t* values, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) values[i] = narrow_bf16(wide[i]);
}
DSC_VECTORISED void narrow_all_f16(const float* wide, std::uint16_t* values, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) values[i] = narrow_f16(wide[i]);
}
DSC_VECTORISED void round_all_bf16(float* wide, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) wide[i] = std::bit_cast<float>(static_cast<std::uint32_t>(narrow_bf16(wide[i])) << 16);
}
DSC_VECTORISED void round_all_f16(float* wide, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) wide[i] = widen_f16(narrow_f16(wide[i]));
}

}  // namespace

std::optional<Element> element_of(std::string_view dtype) {
  for (std::size_t i = 0; i < kElements.size(); ++i) {
    if (kElements[i].dtype == dtype) return static_cast<Element>(i);
  }
  return std::nullopt;
}

std::string_view dtype_of(Element element) { return row_of(element).dtype; }
std::size_t bytes_of(Element element) { return row_of(element).bytes; }
float epsilon(Element element) { return row_of(element).epsilon; }

bool widen(Element element, const void* values, float* wide, std::size_t size) {
  switch (element) {
    case Element::f32:
      return widen_all_f32(static_cast<const float*>(values), wide, size);
    case Element::f16:
      return widen_all_f16(static_cast<const std::uint16_t*>(values), wide, size);
    case Element::bf16:
      return widen_all_bf16(static_cast<const std::uint16_t*>(values), wide, size);
    case Element::f8_e4m3:
      return widen_all_f8(static_cast<const std::uint8_t*>(values), wide, size);
  }
  return false;
}

void narrow(Element element, const float* wide, void* values, std::size_t size) {
  if (element == Element::f8_e4m3) throw Error(ErrorCode::internal, "nothing is written in fp8");
  if (element == Element::bf16) return narrow_all_bf16(wide, static_cast<std::uint16_t*>(values), size);
  if (element == Element::f16) return narrow_all_f16(wide, static_cast<std::uint16_t*>(values), size);
  std::memcpy(values, wide, size * sizeof(float));
}

void round_to(Element element, float* wide, std::size_t size) {
  if (element == Element::bf16) round_all_bf16(wide, size);
  if (element == Element::f16) round_all_f16(wide, size);
}

float round_to(Element element, float value) {
  if (element == Element::bf16) return std::bit_cast<float>(static_cast<std::uint32_t>(narrow_bf16(value)) << 16);
  return element == Element::f16 ? widen_f16(narrow_f16(value)) : value;
}

}  // namespace dsc::checkpoint
