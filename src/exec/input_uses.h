// What a graph does with an integer or boolean input: which values make sense in it.
#pragma once

#include <cstdint>
#include <optional>

#include "dscompress/model.h"
#include "ir/dim_expression.h"

namespace dsc {

// An input whose values are looked up: below `bound` they lie inside of every tensor that they point into.
struct IndexUse {
  std::int64_t bound = 0;
  bool is_table = false;  // an embedding's, where low ids are padding and the like
};
// none: it is no index, or nothing is known about what it points into.
std::optional<IndexUse> find_index_use(const Model& model, const Value& input, const SymbolValues& symbols);

// Whether the input is the first positions of embedding_bag's bags: ascending from 0.
bool is_bag_offsets(const Value& input);

// What true means in a mask.
enum class MaskSense : std::uint8_t { unknown, shows, hides };
MaskSense find_mask_sense(const Model& model, const Value& input);

inline constexpr std::int64_t kUnknownSize = 8;  // of a symbolic dimension without a hint
// The size where it is fixed or follows from the symbols, else the exported one, else kUnknownSize.
std::int64_t size_of(const Dim& dim, const SymbolValues& symbols);

}  // namespace dsc
