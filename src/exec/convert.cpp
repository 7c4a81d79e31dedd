#include "exec/convert.h"

#include <array>
#include <string>
#include <utility>

#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::array<std::pair<ScalarType, c10::ScalarType>, 21> kScalarTypes{{
    {ScalarType::u8, c10::ScalarType::Byte},
    {ScalarType::i8, c10::ScalarType::Char},
    {ScalarType::i16, c10::ScalarType::Short},
    {ScalarType::i32, c10::ScalarType::Int},
    {ScalarType::i64, c10::ScalarType::Long},
    {ScalarType::f16, c10::ScalarType::Half},
    {ScalarType::f32, c10::ScalarType::Float},
    {ScalarType::f64, c10::ScalarType::Double},
    {ScalarType::c32, c10::ScalarType::ComplexHalf},
    {ScalarType::c64, c10::ScalarType::ComplexFloat},
    {ScalarType::c128, c10::ScalarType::ComplexDouble},
    {ScalarType::boolean, c10::ScalarType::Bool},
    {ScalarType::bf16, c10::ScalarType::BFloat16},
    {ScalarType::f8e4m3fn, c10::ScalarType::Float8_e4m3fn},
    {ScalarType::f8e5m2, c10::ScalarType::Float8_e5m2},
    {ScalarType::f8e4m3fnuz, c10::ScalarType::Float8_e4m3fnuz},
    {ScalarType::f8e5m2fnuz, c10::ScalarType::Float8_e5m2fnuz},
    {ScalarType::u16, c10::ScalarType::UInt16},
    {ScalarType::u32, c10::ScalarType::UInt32},
    {ScalarType::u64, c10::ScalarType::UInt64},
    {ScalarType::f8e8m0fnu, c10::ScalarType::Float8_e8m0fnu},
}};

}  // namespace

c10::ScalarType to_c10(ScalarType type) {
  for (const auto& [ours, theirs] : kScalarTypes) {
    if (ours == type) return theirs;
  }
  throw Error(ErrorCode::unsupported, "element type " + std::string(to_string(type)) + " is unknown to LibTorch");
}

ScalarType from_c10(c10::ScalarType type) {
  for (const auto& [ours, theirs] : kScalarTypes) {
    if (theirs == type) return ours;
  }
  throw Error(ErrorCode::unsupported, std::string("element type ") + c10::toString(type) + " is not supported", {},
              "convert the tensor to a plain floating-point or integer type before exporting");
}

c10::Device to_c10(const Device& device) {
  std::string text = device.type;
  if (device.index) text += ":" + std::to_string(*device.index);
  try {
    return c10::Device(text);
  } catch (const c10::Error&) {
    throw Error(ErrorCode::unsupported, "unknown device `" + text + "`", {}, "use cpu, cuda or cuda:N");
  }
}

c10::MemoryFormat to_c10(MemoryFormat format) {
  switch (format) {
    case MemoryFormat::contiguous: return c10::MemoryFormat::Contiguous;
    case MemoryFormat::preserve: return c10::MemoryFormat::Preserve;
    case MemoryFormat::channels_last: return c10::MemoryFormat::ChannelsLast;
    case MemoryFormat::channels_last_3d: return c10::MemoryFormat::ChannelsLast3d;
  }
  throw Error(ErrorCode::internal, "memory format out of range");
}

}  // namespace dsc
