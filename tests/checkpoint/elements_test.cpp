// Element types and packing against arithmetic in double.
#include "checkpoint/elements.h"

#include <bit>

#include "checkpoint/folder.h"
#include "checkpoint/pack.h"

namespace dsc::checkpoint {
namespace {

double f16_value(int half) { return test::numbers_of({"F16", {1}, std::string{static_cast<char>(half & 255), static_cast<char>(half >> 8)}})[0]; }

TEST(Elements, EveryF16ReadsAsItsValue) {
  for (int half = 0; half < 65536; ++half) {
    const auto bits = static_cast<std::uint16_t>(half);
    float wide = 0;
    const bool finite = widen(Element::f16, &bits, &wide, 1);
    EXPECT_EQ(finite, (half & 0x7C00) != 0x7C00);
    if (finite) {
      EXPECT_EQ(wide, f16_value(half)) << half;
    }
  }
}

TEST(Elements, EveryFp8ReadsAsItsValue) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<std::uint8_t>(code);
    float wide = 0;
    const bool finite = widen(Element::f8_e4m3, &byte, &wide, 1);
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    const double magnitude = exponent ? std::ldexp(1 + mantissa / 8.0, exponent - 7) : std::ldexp(mantissa / 8.0, -6);
    EXPECT_EQ(finite, (code & 127) != 127);
    if (finite) {
      EXPECT_EQ(wide, code & 128 ? -magnitude : magnitude) << code;
    }
  }
}

// To the nearer neighbour; to the even one in the middle.
TEST(Elements, F16IsRoundedToNearestEven) {
  for (int half = 0; half < 0x7C00; ++half) {
    const double here = f16_value(half), next = half + 1 == 0x7C00 ? 65536.0 : f16_value(half + 1), middle = (here + next) / 2;
    const float below = std::nextafter(static_cast<float>(middle), 0.0F), above = std::nextafter(static_cast<float>(middle), INFINITY);
    const auto rounded = [](float value) {
      std::uint16_t bits = 0;
      narrow(Element::f16, &value, &bits, 1);
      return static_cast<int>(bits);
    };
    EXPECT_EQ(rounded(static_cast<float>(here)), half);
    EXPECT_EQ(rounded(below), half);
    EXPECT_EQ(rounded(above), half + 1);
    EXPECT_EQ(rounded(static_cast<float>(middle)), half % 2 == 0 ? half : half + 1);
    EXPECT_EQ(rounded(-static_cast<float>(here)), half | 0x8000);
  }
}

TEST(Elements, Bf16IsRoundedToNearestEven) {
  EXPECT_EQ(round_to(Element::bf16, 1.0F + 0x1p-8F), 1.0F);
  EXPECT_EQ(round_to(Element::bf16, 1.0F + 3 * 0x1p-8F), 1.0F + 0x1p-6F);
  EXPECT_EQ(round_to(Element::bf16, 1.0F + 0x1.02p-8F), 1.0F + 0x1p-7F);
  EXPECT_TRUE(std::isnan(round_to(Element::bf16, std::bit_cast<float>(0x7F800001U))));
}

TEST(Pack, ElementsLieWhereTheirBitsSay) {
  std::mt19937 generator(1);
  for (int bits = 2; bits <= 8; ++bits) {
    for (const std::size_t size : {1U, 7U, 32U, 45U, 64U}) {
      std::vector<std::uint8_t> codes(size), back(size);
      for (auto& code : codes) code = static_cast<std::uint8_t>(generator() % (1U << bits));
      std::vector<std::uint32_t> words(static_cast<std::size_t>(packed_words(static_cast<std::int64_t>(size), bits)));
      EXPECT_EQ(words.size(), (size * static_cast<std::size_t>(bits) + 31) / 32);
      pack(codes.data(), size, bits, words.data());
      for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(test::packed_integer(test::bytes_of(words), 0, i, bits) + (1 << (bits - 1)), codes[i]);
      unpack(words.data(), size, bits, back.data());
      EXPECT_EQ(back, codes);
    }
  }
}

TEST(Pack, ColumnsArePackedDownTheRows) {
  const std::vector<std::uint8_t> codes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};  // 5 x 2
  std::vector<std::uint32_t> words(2);
  pack_columns(codes.data(), 5, 2, 4, words.data());
  EXPECT_EQ(words, (std::vector<std::uint32_t>{0x97531, 0xA8642}));
  std::vector<std::uint8_t> back(10);
  unpack_columns(words.data(), 5, 2, 4, back.data());
  EXPECT_EQ(back, codes);
}

}  // namespace
}  // namespace dsc::checkpoint
