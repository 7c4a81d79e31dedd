#include "checkpoint/layout.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/gguf.h"
#include "core/printed.h"

namespace dsc::checkpoint {
namespace {

std::uint64_t stored_bytes(const StoredTensor& stored) {
  std::uint64_t size = dtype_bytes(stored.dtype);
  for (const auto extent : stored.shape) size *= static_cast<std::uint64_t>(extent);
  return size;
}

std::uint64_t stored_bytes(const TensorPlan& tensor) {
  std::uint64_t size = 0;
  for (const auto& output : tensor.outputs) size += stored_bytes(output.stored);
  return size;
}

// Wider elements first, then by name, so that every tensor is aligned without gaps.
void place_outputs(Plan& plan, ShardPlan& shard) {
  std::vector<StoredTensor*> rows;
  for (const auto number : shard.tensors) {
    for (auto& output : plan.tensors[number].outputs) rows.push_back(&output.stored);
  }
  std::sort(rows.begin(), rows.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return std::pair(dtype_bytes(b->dtype), std::string_view(a->name)) < std::pair(dtype_bytes(a->dtype), std::string_view(b->name));
  });
  std::uint64_t position = 0;
  std::vector<StoredTensor> placed;
  for (auto* row : rows) {
    row->begin = position;
    row->end = position += stored_bytes(*row);
    placed.push_back(*row);
  }
  shard.header = safetensors_header_text(placed, {{"format", "pt"}});
  shard.bytes = shard.header.size() + position;
}

}  // namespace

void lay_out(Plan& plan) {
  if (plan.options.format == Format::gguf) return lay_out_gguf(plan);
  const auto limit = static_cast<std::uint64_t>(bytes_of(plan.options.shard_size));
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const auto bytes = stored_bytes(plan.tensors[i]);
    if (plan.shards.empty() || size + bytes > limit) {
      plan.shards.emplace_back();
      size = 0;
    }
    size += bytes;
    plan.shards.back().tensors.push_back(i);
  }
  const auto count = static_cast<int>(plan.shards.size());
  for (int i = 0; i < count; ++i) {
    auto& shard = plan.shards[static_cast<std::size_t>(i)];
    shard.name = count == 1 ? "model.safetensors" : printed("model-%05d-of-%05d.safetensors", i + 1, count);
    place_outputs(plan, shard);
  }
}

std::string index_text(const Plan& plan) {
  std::map<std::string, std::string> shard_of;
  std::uint64_t total = 0;
  for (const auto& shard : plan.shards) {
    total += shard.bytes - shard.header.size();
    for (const auto number : shard.tensors) {
      for (const auto& output : plan.tensors[number].outputs) shard_of[output.stored.name] = shard.name;
    }
  }
  const nlohmann::ordered_json index = {{"metadata", {{"total_size", total}}}, {"weight_map", shard_of}};
  return index.dump(2) + "\n";
}

}  // namespace dsc::checkpoint
