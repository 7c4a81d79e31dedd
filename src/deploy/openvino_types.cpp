#include "deploy/openvino_types.h"

#include <array>
#include <sstream>
#include <vector>

namespace dsc {
namespace {

using OvType = ov::element::Type;

const std::vector<std::pair<ScalarType, OvType>>& pairs() {
  static const std::vector<std::pair<ScalarType, OvType>> table = {
      {ScalarType::u8, ov::element::u8},   {ScalarType::i8, ov::element::i8},    {ScalarType::i16, ov::element::i16},
      {ScalarType::i32, ov::element::i32}, {ScalarType::i64, ov::element::i64},  {ScalarType::f16, ov::element::f16},
      {ScalarType::f32, ov::element::f32}, {ScalarType::f64, ov::element::f64},  {ScalarType::boolean, ov::element::boolean},
      {ScalarType::bf16, ov::element::bf16}, {ScalarType::u16, ov::element::u16}, {ScalarType::u32, ov::element::u32},
      {ScalarType::u64, ov::element::u64}, {ScalarType::f8e4m3fn, ov::element::f8e4m3}, {ScalarType::f8e5m2, ov::element::f8e5m2},
      {ScalarType::f8e8m0fnu, ov::element::f8e8m0}};
  return table;
}

}  // namespace

OvType to_openvino(ScalarType type) {
  for (const auto& [ours, theirs] : pairs()) {
    if (ours == type) return theirs;
  }
  throw Error(ErrorCode::unsupported, "OpenVINO has no tensors of type " + std::string(to_string(type)));
}

ScalarType from_openvino(const OvType& type) {
  for (const auto& [ours, theirs] : pairs()) {
    if (theirs == type) return ours;
  }
  throw Error(ErrorCode::unsupported, "LibTorch has no tensors of OpenVINO's type " + type.get_type_name());
}

std::string openvino_message(const std::string& what) {
  std::istringstream lines(what);
  std::string line, message;
  while (std::getline(lines, line)) {
    if (line.empty() || line.starts_with("Exception from ") || line.starts_with("Check '")) continue;
    message += (message.empty() ? "" : "; ") + line;
  }
  return message.empty() ? what : message;
}

}  // namespace dsc
