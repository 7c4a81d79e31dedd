// Which positions the blocks of a sequence hold, queries and the keys that they attend to.
#pragma once

#include "ops/open_attention.h"
#include "passes/restructure/sized_inserter.h"

namespace dsc::restructure {

struct Window {
  std::int64_t reach = 0;    // positions to each side that one attends to
  std::int64_t globals = 0;  // the first positions: they attend to all, and all to them
  std::int64_t block = 64;   // queries that share their keys
};

struct BlockPlaces {
  Length length;
  Dim blocks;
  std::int64_t keys = 0;     // of a block: the global ones, then those from `reach` before it on
  Value* rows = nullptr;     // [blocks * block]: the queries' positions; null: exactly all positions
  Value* columns = nullptr;  // [blocks, keys]: the keys' positions
  Value* flat = nullptr;     // the same, [blocks * keys]
  Value* hidden = nullptr;   // bool [blocks, block, keys]: outside the window
};

// Keys that each block of queries is multiplied with.
std::int64_t keys_of_block(const Window& window, bool is_causal);

// Positions before the start and behind the end are those of the first and the last one, hidden.
BlockPlaces make_places(SizedInserter& insert, const Window& window, const Length& length, bool is_causal);

}  // namespace dsc::restructure
