// Blocks of rows: what one thread reads, rounds and writes at a time. Memory is threads x block, whatever the sizes of tensors and
// shards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// Rows first..first+count of a matrix; elements of tensors of other ranks.
struct Block {
  std::size_t tensor = 0;  // in Plan::tensors
  std::int64_t first = 0, count = 0;
};

// Counts are signed in plans, unsigned in buffers.
inline std::size_t size_of(std::int64_t count) { return static_cast<std::size_t>(count); }

// Sets Plan::buffer_bytes. errors: resource, when a block of the widest tensor does not fit into `memory` with so many threads.
void plan_buffers(Plan& plan);
// All blocks of one output shard, in order.
std::vector<Block> blocks_of(const Plan& plan, const ShardPlan& shard);

}  // namespace dsc::checkpoint
