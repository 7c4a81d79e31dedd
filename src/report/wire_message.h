// A protobuf message in its wire format, field by field.
// source: protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dsc {

class WireMessage {
 public:
  WireMessage& integer(int field, std::int64_t value);   // int32, int64, enum, bool
  WireMessage& real(int field, double value);            // double
  WireMessage& single(int field, float value);           // float
  WireMessage& text(int field, std::string_view value);  // string, bytes
  WireMessage& message(int field, const WireMessage& value) { return text(field, value.bytes_); }
  WireMessage& reals(int field, std::span<const double> values);  // repeated double, packed

  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int wire_type);
  void varint(std::uint64_t value);

  std::string bytes_;
};

// The bytes of a number, the lowest first.
std::string little_endian(std::uint64_t value, std::size_t bytes);

}  // namespace dsc
