#include "checkpoint/gguf_header.h"

#include <type_traits>

namespace dsc::checkpoint {
namespace {

enum ValueType : std::uint32_t { kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9 };

// Little-endian, as every processor that this runs on.
template <class T>
void append_value(std::string& bytes, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_text(std::string& bytes, std::string_view text) {
  append_value<std::uint64_t>(bytes, text.size());
  bytes += text;
}

}  // namespace

void GgufHeader::begin(std::string_view key, std::uint32_t type) {
  ++keys_;
  put_text(key_bytes_, key);
  append_value(key_bytes_, type);
}

void GgufHeader::add(std::string_view key, std::string_view text) {
  begin(key, kString);
  put_text(key_bytes_, text);
}

void GgufHeader::add(std::string_view key, std::uint32_t number) {
  begin(key, kUint32);
  append_value(key_bytes_, number);
}

void GgufHeader::add(std::string_view key, float number) {
  begin(key, kFloat32);
  append_value(key_bytes_, number);
}

void GgufHeader::add(std::string_view key, bool flag) {
  begin(key, kBool);
  append_value<std::uint8_t>(key_bytes_, flag ? 1 : 0);
}

void GgufHeader::add(std::string_view key, const std::vector<std::string>& texts) {
  begin(key, kArray);
  append_value<std::uint32_t>(key_bytes_, kString);
  append_value<std::uint64_t>(key_bytes_, texts.size());
  for (const auto& text : texts) put_text(key_bytes_, text);
}

void GgufHeader::add(std::string_view key, const std::vector<std::int32_t>& numbers) {
  begin(key, kArray);
  append_value<std::uint32_t>(key_bytes_, kInt32);
  append_value<std::uint64_t>(key_bytes_, numbers.size());
  for (const auto number : numbers) append_value(key_bytes_, number);
}

void GgufHeader::add_tensor(std::string_view name, const std::vector<std::int64_t>& shape, GgmlType type, std::uint64_t offset) {
  ++tensors_;
  put_text(tensor_bytes_, name);
  append_value(tensor_bytes_, static_cast<std::uint32_t>(shape.size()));
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) append_value(tensor_bytes_, static_cast<std::uint64_t>(*extent));
  append_value(tensor_bytes_, static_cast<std::uint32_t>(type));
  append_value(tensor_bytes_, offset);
}

std::string GgufHeader::bytes() const {
  std::string bytes = "GGUF";
  append_value<std::uint32_t>(bytes, 3);
  append_value(bytes, tensors_);
  append_value(bytes, keys_);
  bytes += key_bytes_ + tensor_bytes_;
  bytes.resize((bytes.size() + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment);
  return bytes;
}

}  // namespace dsc::checkpoint
