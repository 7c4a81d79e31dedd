#include "checkpoint/blocks.h"

#include <algorithm>

#include "core/log.h"

namespace dsc::checkpoint {
namespace {

constexpr std::int64_t kLargestRead = 4 << 20;  // beyond, larger reads are no faster
constexpr std::int64_t kPackedRows = 32;        // zero points are packed down the rows: any number of bits fills words after 32

// Bytes of one row in all buffers of a thread: source, output (4 bytes an element at most), scales, zero points.
std::int64_t row_bytes(const Tensor& tensor) {
  const auto width = static_cast<std::int64_t>(dtype_bytes(tensor.dtype));
  return tensor.columns() * (width + 4) + 64;
}

std::int64_t rows_at_once(const TensorPlan& tensor) { return tensor.scheme && !tensor.scheme->weights.symmetric ? kPackedRows : 1; }

// Buffers of one row: as f32, quotients, integers, second moments.
std::int64_t row_work(const Tensor& tensor) { return tensor.columns() * 13; }

}  // namespace

void plan_buffers(Plan& plan) {
  const auto share = bytes_of(plan.options.memory) / plan.threads;
  std::int64_t largest = 0;
  const Tensor* widest = nullptr;
  for (const auto& tensor : plan.tensors) {
    const auto& source = plan.source.tensors[tensor.tensor];
    if (source.shape.size() != 2) continue;  // cut anywhere
    const auto needed = rows_at_once(tensor) * row_bytes(source) + row_work(source);
    if (needed <= largest) continue;
    largest = needed;
    widest = &source;
  }
  if (largest > share) {
    throw Error(ErrorCode::resource,
                "rows of `" + widest->name + "` need " + format_bytes(static_cast<double>(largest * plan.threads)) + " on " + std::to_string(plan.threads) +
                    " threads, and memory is " + format_bytes(static_cast<double>(bytes_of(plan.options.memory))),
                {.pointer = "/checkpoint/memory"}, "allow more memory, or fewer --threads");
  }
  plan.buffer_bytes = std::max(std::min(share, 3 * kLargestRead), largest);
}

std::vector<Block> blocks_of(const Plan& plan, const ShardPlan& shard) {
  std::vector<Block> blocks;
  const auto cut = [&](std::size_t tensor, std::int64_t total, std::int64_t step) {
    for (std::int64_t first = 0; first < total; first += step) blocks.push_back({tensor, first, std::min(step, total - first)});
  };
  for (const auto number : shard.tensors) {
    const auto& tensor = plan.tensors[number];
    const auto& source = plan.source.tensors[tensor.tensor];
    if (source.shape.size() == 2) {
      const auto unit = rows_at_once(tensor);
      const auto rows = std::max<std::int64_t>((plan.buffer_bytes - row_work(source)) / row_bytes(source), 1);
      cut(number, source.rows(), std::max(rows / unit * unit, unit));
    } else {
      const auto width = static_cast<std::int64_t>(std::max<std::size_t>(dtype_bytes(source.dtype), 1));
      cut(number, source.columns(), plan.buffer_bytes / (width + 8));
    }
  }
  return blocks;
}

}  // namespace dsc::checkpoint
