// The block formats of ggml, which GGUF files hold: 32 (or 256) weights of a row with their scales in front.
//
//   Q8_0   scale f16, 32 bytes                                            w = scale * q
//   Q4_0   scale f16, 32 times 4 bits                                     w = scale * (q - 8)
//   Q4_K   8 groups of 32: two f16, their scales and minima in 6 bits     w = d * scale * q - d_min * minimum
//
// In bytes of 4-bit integers the first half of 32 (Q4_K: the first of two groups) takes the low bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "checkpoint/group_kernels.h"
#include "checkpoint/options.h"

namespace dsc::checkpoint {

// Numbers as in files.
enum class GgmlType : std::uint32_t { f32 = 0, f16 = 1, q4_0 = 2, q8_0 = 8, q4_k = 12, bf16 = 30 };

inline constexpr std::int64_t kGgmlGroup = 32;

// None: no block format has such grids.
std::optional<GgmlType> ggml_type_of(const WeightOptions& weights);
std::string_view name_of(GgmlType type);
std::int64_t columns_of_block(GgmlType type);                    // rows are whole blocks
std::int64_t ggml_row_bytes(GgmlType type, std::int64_t columns);

// One row of a block format. values [columns]; grids and codes as GroupRounder gives them for groups of 32.
void encode_ggml_row(GgmlType type, const float* values, const kernels::Affine* grids, const std::uint8_t* codes, std::int64_t columns, std::uint8_t* row);
void decode_ggml_row(GgmlType type, const std::uint8_t* row, std::int64_t columns, float* values);

}  // namespace dsc::checkpoint
