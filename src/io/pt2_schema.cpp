#include "io/pt2_schema.h"

#include <array>
#include <string>

namespace dsc::pt2 {
namespace {

struct TypeRow {
  ScalarType type;
  std::int64_t number;
  at::ScalarType aten;
};
constexpr std::array<TypeRow, 21> kTypes = {{
    {ScalarType::u8, 1, at::kByte},
    {ScalarType::i8, 2, at::kChar},
    {ScalarType::i16, 3, at::kShort},
    {ScalarType::i32, 4, at::kInt},
    {ScalarType::i64, 5, at::kLong},
    {ScalarType::f16, 6, at::kHalf},
    {ScalarType::f32, 7, at::kFloat},
    {ScalarType::f64, 8, at::kDouble},
    {ScalarType::c32, 9, at::kComplexHalf},
    {ScalarType::c64, 10, at::kComplexFloat},
    {ScalarType::c128, 11, at::kComplexDouble},
    {ScalarType::boolean, 12, at::kBool},
    {ScalarType::bf16, 13, at::kBFloat16},
    {ScalarType::u16, 28, at::kUInt16},
    {ScalarType::f8e4m3fn, 29, at::kFloat8_e4m3fn},
    {ScalarType::f8e5m2, 30, at::kFloat8_e5m2},
    {ScalarType::f8e4m3fnuz, 31, at::kFloat8_e4m3fnuz},
    {ScalarType::f8e5m2fnuz, 32, at::kFloat8_e5m2fnuz},
    {ScalarType::f8e8m0fnu, 33, at::kFloat8_e8m0fnu},
    {ScalarType::u32, 34, at::kUInt32},
    {ScalarType::u64, 35, at::kUInt64},
}};
constexpr std::array<std::pair<MemoryFormat, std::int64_t>, 4> kMemoryFormats = {
    {{MemoryFormat::contiguous, 1}, {MemoryFormat::channels_last, 2}, {MemoryFormat::channels_last_3d, 3}, {MemoryFormat::preserve, 4}}};
constexpr std::string_view kOps = "torch.ops.";

}  // namespace

std::optional<ScalarType> scalar_type(std::int64_t number) {
  for (const auto& row : kTypes) {
    if (row.number == number) return row.type;
  }
  return std::nullopt;
}

std::int64_t number_of(ScalarType type) {
  for (const auto& row : kTypes) {
    if (row.type == type) return row.number;
  }
  return 0;
}

std::optional<MemoryFormat> memory_format(std::int64_t number) {
  for (const auto& [format, its_number] : kMemoryFormats) {
    if (its_number == number) return format;
  }
  return std::nullopt;
}

std::int64_t number_of(MemoryFormat format) {
  for (const auto& [its_format, number] : kMemoryFormats) {
    if (its_format == format) return number;
  }
  return 0;
}

at::ScalarType to_aten(ScalarType type) {
  for (const auto& row : kTypes) {
    if (row.type == type) return row.aten;
  }
  return at::ScalarType::Undefined;
}

std::optional<ScalarType> from_aten(at::ScalarType type) {
  for (const auto& row : kTypes) {
    if (row.aten == type) return row.type;
  }
  return std::nullopt;
}

std::string_view short_target(std::string_view serialized) { return serialized.starts_with(kOps) ? serialized.substr(kOps.size()) : serialized; }

std::string full_target(std::string_view target) {
  const bool is_builtin = target.starts_with("torch.") || target.starts_with("_operator.") || target.starts_with("math.");
  return is_builtin ? std::string(target) : std::string(kOps) + std::string(target);
}

}  // namespace dsc::pt2
