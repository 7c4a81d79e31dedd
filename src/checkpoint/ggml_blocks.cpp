#include "checkpoint/ggml_blocks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "checkpoint/elements.h"

namespace dsc::checkpoint {
namespace {

constexpr std::size_t kGroup = kGgmlGroup;
constexpr std::size_t kGroupsOfBlock = 8;  // of a block of Q4_K
constexpr std::size_t kQ8Bytes = 2 + kGroup, kQ4Bytes = 2 + kGroup / 2, kQ4KBytes = 4 + 12 + kGroupsOfBlock * kGroup / 2;
constexpr float kMost6 = 63;

void put_f16(float value, std::uint8_t* bytes) { narrow(Element::f16, &value, bytes, 1); }

float get_f16(const std::uint8_t* bytes) {
  float value = 0;
  widen(Element::f16, bytes, &value, 1);
  return value;
}

void encode_q8(const kernels::Affine& grid, const std::uint8_t* codes, std::uint8_t* block) {
  put_f16(grid.scale, block);
  for (std::size_t i = 0; i < kGroup; ++i) block[2 + i] = codes[i] ^ 0x80U;  // codes count from -128
}

void encode_q4(const kernels::Affine& grid, const std::uint8_t* codes, std::uint8_t* block) {
  put_f16(grid.scale, block);
  for (std::size_t i = 0; i < kGroup / 2; ++i) block[2 + i] = static_cast<std::uint8_t>(codes[i] | codes[i + kGroup / 2] << 4);
}

// Scales and minima of 8 groups in 12 bytes: the low 6 bits of the first four each, then the others' low 4 bits, whose high 2 bits
// stand above the first.
struct SixBits {
  std::array<std::uint8_t, kGroupsOfBlock> scale{}, minimum{};
};

void put_six_bits(const SixBits& six, std::uint8_t* bytes) {
  for (std::size_t j = 0; j < 4; ++j) {
    bytes[j] = static_cast<std::uint8_t>(six.scale[j] | (six.scale[j + 4] >> 4) << 6);
    bytes[j + 4] = static_cast<std::uint8_t>(six.minimum[j] | (six.minimum[j + 4] >> 4) << 6);
    bytes[j + 8] = static_cast<std::uint8_t>((six.scale[j + 4] & 0xF) | (six.minimum[j + 4] & 0xF) << 4);
  }
}

SixBits get_six_bits(const std::uint8_t* bytes) {
  SixBits six;
  for (std::size_t j = 0; j < 4; ++j) {
    six.scale[j] = bytes[j] & 63U;
    six.minimum[j] = bytes[j + 4] & 63U;
    six.scale[j + 4] = static_cast<std::uint8_t>((bytes[j + 8] & 0xFU) | (bytes[j] >> 6) << 4);
    six.minimum[j + 4] = static_cast<std::uint8_t>(bytes[j + 8] >> 4 | (bytes[j + 4] >> 6) << 4);
  }
  return six;
}

// In units of a common step, so that the largest is 63. returns: the step, a value of f16.
float to_six_bits(const std::array<float, kGroupsOfBlock>& values, std::array<std::uint8_t, kGroupsOfBlock>& six) {
  const float step = round_to(Element::f16, *std::max_element(values.begin(), values.end()) / kMost6);
  for (std::size_t j = 0; j < kGroupsOfBlock; ++j) six[j] = step > 0 ? static_cast<std::uint8_t>(std::clamp(std::nearbyint(values[j] / step), 0.0F, kMost6)) : std::uint8_t{0};
  return step;
}

// Scales and minima become integers themselves, so the weights are rounded again, to the grids that these give.
void encode_q4_k(const float* values, const kernels::Affine* grids, std::uint8_t* block) {
  std::array<float, kGroupsOfBlock> scales{}, minima{};
  for (std::size_t j = 0; j < kGroupsOfBlock; ++j) {
    scales[j] = grids[j].scale;
    minima[j] = (grids[j].zero - grids[j].low) * grids[j].scale;
  }
  SixBits six;
  const float d = to_six_bits(scales, six.scale), d_min = to_six_bits(minima, six.minimum);
  put_f16(d, block);
  put_f16(d_min, block + 2);
  put_six_bits(six, block + 4);
  auto* bytes = block + 16;
  std::fill(bytes, bytes + kGroupsOfBlock * kGroup / 2, std::uint8_t{0});
  for (std::size_t j = 0; j < kGroupsOfBlock; ++j) {
    const float scale = d * six.scale[j], minimum = d_min * six.minimum[j];
    for (std::size_t i = 0; i < kGroup; ++i) {
      const float q = scale > 0 ? std::clamp(std::nearbyint((values[j * kGroup + i] + minimum) / scale), 0.0F, 15.0F) : 0;
      bytes[j / 2 * kGroup + i] |= static_cast<std::uint8_t>(static_cast<unsigned>(q) << (j % 2 * 4));
    }
  }
}

void decode_q4_k(const std::uint8_t* block, float* values) {
  const float d = get_f16(block), d_min = get_f16(block + 2);
  const SixBits six = get_six_bits(block + 4);
  for (std::size_t j = 0; j < kGroupsOfBlock; ++j) {
    const float scale = d * six.scale[j], minimum = d_min * six.minimum[j];
    for (std::size_t i = 0; i < kGroup; ++i) values[j * kGroup + i] = scale * static_cast<float>(block[16 + j / 2 * kGroup + i] >> (j % 2 * 4) & 0xF) - minimum;
  }
}

void decode_q8(const std::uint8_t* block, float* values) {
  const float scale = get_f16(block);
  for (std::size_t i = 0; i < kGroup; ++i) values[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

void decode_q4(const std::uint8_t* block, float* values) {
  const float scale = get_f16(block);
  for (std::size_t i = 0; i < kGroup / 2; ++i) {
    values[i] = scale * static_cast<float>((block[2 + i] & 0xF) - 8);
    values[i + kGroup / 2] = scale * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

}  // namespace

std::optional<GgmlType> ggml_type_of(const WeightOptions& weights) {
  if (weights.group_size != kGgmlGroup) return std::nullopt;
  if (weights.bits == 8 && weights.symmetric) return GgmlType::q8_0;
  if (weights.bits == 4) return weights.symmetric ? GgmlType::q4_0 : GgmlType::q4_k;
  return std::nullopt;
}

std::string_view name_of(GgmlType type) {
  switch (type) {
    case GgmlType::f32: return "F32";
    case GgmlType::f16: return "F16";
    case GgmlType::q4_0: return "Q4_0";
    case GgmlType::q8_0: return "Q8_0";
    case GgmlType::q4_k: return "Q4_K";
    case GgmlType::bf16: return "BF16";
  }
  return "";
}

std::int64_t columns_of_block(GgmlType type) {
  switch (type) {
    case GgmlType::q4_0:
    case GgmlType::q8_0: return kGgmlGroup;
    case GgmlType::q4_k: return kGgmlGroup * static_cast<std::int64_t>(kGroupsOfBlock);
    default: return 1;
  }
}

std::int64_t ggml_row_bytes(GgmlType type, std::int64_t columns) {
  const auto blocks = columns / columns_of_block(type);
  switch (type) {
    case GgmlType::f32: return blocks * 4;
    case GgmlType::f16:
    case GgmlType::bf16: return blocks * 2;
    case GgmlType::q4_0: return blocks * static_cast<std::int64_t>(kQ4Bytes);
    case GgmlType::q8_0: return blocks * static_cast<std::int64_t>(kQ8Bytes);
    case GgmlType::q4_k: return blocks * static_cast<std::int64_t>(kQ4KBytes);
  }
  return 0;
}

void encode_ggml_row(GgmlType type, const float* values, const kernels::Affine* grids, const std::uint8_t* codes, std::int64_t columns, std::uint8_t* row) {
  const auto step = static_cast<std::size_t>(columns_of_block(type)), bytes = static_cast<std::size_t>(ggml_row_bytes(type, columns_of_block(type)));
  for (std::size_t start = 0; start < static_cast<std::size_t>(columns); start += step, row += bytes) {
    if (type == GgmlType::q8_0) encode_q8(grids[start / kGroup], codes + start, row);
    if (type == GgmlType::q4_0) encode_q4(grids[start / kGroup], codes + start, row);
    if (type == GgmlType::q4_k) encode_q4_k(values + start, grids + start / kGroup, row);
  }
}

void decode_ggml_row(GgmlType type, const std::uint8_t* row, std::int64_t columns, float* values) {
  const auto step = columns_of_block(type), bytes = ggml_row_bytes(type, step);
  for (std::int64_t start = 0; start < columns; start += step, row += bytes, values += step) {
    if (type == GgmlType::q8_0) decode_q8(row, values);
    if (type == GgmlType::q4_0) decode_q4(row, values);
    if (type == GgmlType::q4_k) decode_q4_k(row, values);
  }
}

}  // namespace dsc::checkpoint
