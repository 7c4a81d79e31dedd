#include <algorithm>
#include <array>
#include <string_view>

#include "dscompress/graph.h"

namespace dsc {
namespace {

constexpr std::array<std::string_view, 21> kScalarTypeNames = {
    "u8",   "i8",      "i16",    "i32",        "i64",        "f16", "f32", "f64", "c32", "c64", "c128",
    "bool", "bf16",    "f8e4m3fn", "f8e5m2",   "f8e4m3fnuz", "f8e5m2fnuz", "u16", "u32", "u64", "f8e8m0fnu"};
constexpr std::array<std::int64_t, 21> kScalarTypeBytes = {1, 1, 2, 4, 8, 2, 4, 8, 4, 8, 16, 1, 2, 1, 1, 1, 1, 2, 4, 8, 1};

}  // namespace

std::string_view to_string(ScalarType type) { return kScalarTypeNames.at(static_cast<std::size_t>(type)); }

std::optional<ScalarType> find_scalar_type(std::string_view name) {
  const auto* found = std::find(kScalarTypeNames.begin(), kScalarTypeNames.end(), name);
  if (found == kScalarTypeNames.end()) return std::nullopt;
  return static_cast<ScalarType>(found - kScalarTypeNames.begin());
}

std::int64_t byte_size(ScalarType type) { return kScalarTypeBytes.at(static_cast<std::size_t>(type)); }

bool is_floating(ScalarType type) {
  switch (type) {
    case ScalarType::f16: case ScalarType::f32: case ScalarType::f64: case ScalarType::bf16:
    case ScalarType::f8e4m3fn: case ScalarType::f8e5m2: case ScalarType::f8e4m3fnuz: case ScalarType::f8e5m2fnuz:
    case ScalarType::f8e8m0fnu:
      return true;
    default:
      return false;
  }
}

}  // namespace dsc
