#include "report/wire_message.h"

#include <bit>

namespace dsc {
namespace {

enum WireType { kVarint = 0, kEightBytes = 1, kLengthDelimited = 2, kFourBytes = 5 };

}  // namespace

std::string little_endian(std::uint64_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

void WireMessage::varint(std::uint64_t value) {
  for (; value > 127; value >>= 7) bytes_ += static_cast<char>((value & 127) | 128);
  bytes_ += static_cast<char>(value);
}

void WireMessage::key(int field, int wire_type) { varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire_type)); }

WireMessage& WireMessage::integer(int field, std::int64_t value) {
  key(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
  return *this;
}

WireMessage& WireMessage::real(int field, double value) {
  key(field, kEightBytes);
  bytes_ += little_endian(std::bit_cast<std::uint64_t>(value), 8);
  return *this;
}

WireMessage& WireMessage::single(int field, float value) {
  key(field, kFourBytes);
  bytes_ += little_endian(std::bit_cast<std::uint32_t>(value), 4);
  return *this;
}

WireMessage& WireMessage::text(int field, std::string_view value) {
  key(field, kLengthDelimited);
  varint(value.size());
  bytes_ += value;
  return *this;
}

WireMessage& WireMessage::reals(int field, std::span<const double> values) {
  std::string packed;
  for (const double value : values) packed += little_endian(std::bit_cast<std::uint64_t>(value), 8);
  return text(field, packed);
}

}  // namespace dsc
