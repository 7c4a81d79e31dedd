// Integers of 2 to 8 bits in 32-bit words, as compressed-tensors packs them: element i at bits i * bits, low bits first, elements
// reaching across words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dsc::checkpoint {

// Words for so many elements.
std::int64_t packed_words(std::int64_t elements, std::int64_t bits);
// codes: unsigned, below 2^bits. words [packed_words(size, bits)].
void pack(const std::uint8_t* codes, std::size_t size, std::int64_t bits, std::uint32_t* words);
void unpack(const std::uint32_t* words, std::size_t size, std::int64_t bits, std::uint8_t* codes);
// The same down the columns of a block. codes [rows, columns]; words [packed_words(rows, bits), columns].
void pack_columns(const std::uint8_t* codes, std::size_t rows, std::size_t columns, std::int64_t bits, std::uint32_t* words);
void unpack_columns(const std::uint32_t* words, std::size_t rows, std::size_t columns, std::int64_t bits, std::uint8_t* codes);

}  // namespace dsc::checkpoint
