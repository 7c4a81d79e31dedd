#include "checkpoint/pack.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/vectorised.h"

namespace dsc::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "words are written as they lie in memory");

DSC_VECTORISED void join_pairs(const std::uint8_t* codes, std::size_t pairs, std::uint8_t* bytes) {
  for (std::size_t i = 0; i < pairs; ++i) bytes[i] = static_cast<std::uint8_t>(codes[2 * i] | (codes[2 * i + 1] << 4));
}

DSC_VECTORISED void split_pairs(const std::uint8_t* bytes, std::size_t pairs, std::uint8_t* codes) {
  for (std::size_t i = 0; i < pairs; ++i) {
    codes[2 * i] = bytes[i] & 15U;
    codes[2 * i + 1] = static_cast<std::uint8_t>(bytes[i] >> 4);
  }
}

// Element `i` of a row of words `stride` apart: put in, or taken out.
void put(std::uint32_t* words, std::size_t stride, std::size_t i, std::int64_t bits, std::uint32_t code) {
  const auto position = i * static_cast<std::size_t>(bits);
  const auto shift = position % 32;
  words[position / 32 * stride] |= code << shift;
  if (shift + static_cast<std::size_t>(bits) > 32) words[(position / 32 + 1) * stride] |= code >> (32 - shift);
}

std::uint32_t take(const std::uint32_t* words, std::size_t stride, std::size_t i, std::int64_t bits) {
  const auto position = i * static_cast<std::size_t>(bits);
  const auto shift = position % 32;
  auto code = words[position / 32 * stride] >> shift;
  if (shift + static_cast<std::size_t>(bits) > 32) code |= words[(position / 32 + 1) * stride] << (32 - shift);
  return code & ((1U << bits) - 1);
}

}  // namespace

std::int64_t packed_words(std::int64_t elements, std::int64_t bits) { return (elements * bits + 31) / 32; }

void pack(const std::uint8_t* codes, std::size_t size, std::int64_t bits, std::uint32_t* words) {
  const auto bytes = static_cast<std::size_t>(packed_words(static_cast<std::int64_t>(size), bits)) * 4;
  std::memset(words, 0, bytes);
  if (bits == 8) {
    std::memcpy(words, codes, size);
  } else if (bits == 4) {
    join_pairs(codes, size / 2, reinterpret_cast<std::uint8_t*>(words));
    if (size % 2 != 0) put(words, 1, size - 1, bits, codes[size - 1]);
  } else {
    for (std::size_t i = 0; i < size; ++i) put(words, 1, i, bits, codes[i]);
  }
}

void unpack(const std::uint32_t* words, std::size_t size, std::int64_t bits, std::uint8_t* codes) {
  if (bits == 8) {
    std::memcpy(codes, words, size);
  } else if (bits == 4) {
    split_pairs(reinterpret_cast<const std::uint8_t*>(words), size / 2, codes);
    if (size % 2 != 0) codes[size - 1] = static_cast<std::uint8_t>(take(words, 1, size - 1, bits));
  } else {
    for (std::size_t i = 0; i < size; ++i) codes[i] = static_cast<std::uint8_t>(take(words, 1, i, bits));
  }
}

void pack_columns(const std::uint8_t* codes, std::size_t rows, std::size_t columns, std::int64_t bits, std::uint32_t* words) {
  std::fill_n(words, static_cast<std::size_t>(packed_words(static_cast<std::int64_t>(rows), bits)) * columns, 0U);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) put(words + j, columns, i, bits, codes[i * columns + j]);
  }
}

void unpack_columns(const std::uint32_t* words, std::size_t rows, std::size_t columns, std::int64_t bits, std::uint8_t* codes) {
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) codes[i * columns + j] = static_cast<std::uint8_t>(take(words + j, columns, i, bits));
  }
}

}  // namespace dsc::checkpoint
