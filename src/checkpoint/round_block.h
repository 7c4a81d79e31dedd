// One block through the whole chain: read, made f32, rounded, packed, written.
#pragma once

#include <vector>

#include "checkpoint/blocks.h"
#include "checkpoint/grids.h"
#include "checkpoint/rows.h"

namespace dsc::checkpoint {

// Of one thread.
class BlockRounder {
 public:
  BlockRounder(const Plan& plan, const ShardReader& source, const ShardReader& calibration) : plan_(plan), calibration_(calibration), rows_(plan, source) {}

  // `data_start`: where the data of the shard starts. errors: io, resource, model_file.
  void run(const Block& block, const ShardWriter& out, std::uint64_t data_start);

 private:
  void copy(const Block& block, const ShardWriter& out, std::uint64_t data_start);
  void convert(const Block& block, const ShardWriter& out, std::uint64_t data_start);
  void round(const Block& block, const ShardWriter& out, std::uint64_t data_start);
  void round_row(const TensorPlan& tensor, std::int64_t row, std::int64_t columns);
  void emit(const TensorPlan& tensor, std::int64_t row, std::int64_t columns);
  void write_outputs(const Block& block, const ShardWriter& out, std::uint64_t data_start);
  // Rows of the first output, each where the format wants it.
  void write_rows(const Block& block, const ShardWriter& out, std::uint64_t data_start, const void* data, std::uint64_t row_bytes) const;
  // Null: none are given for this tensor.
  const float* moments_of(const Tensor& tensor);

  const Plan& plan_;
  const ShardReader& calibration_;
  RowReader rows_;
  std::size_t moments_tensor_ = static_cast<std::size_t>(-1);
  std::vector<float> wide_, moments_, scales_, decoded_;
  std::vector<std::uint8_t> codes_, zeros_, block_bytes_;
  std::vector<std::uint32_t> words_, zero_words_;
  std::vector<char> values_, stored_scales_;
  std::optional<GroupRounder> rounder_;
  std::vector<kernels::Affine> grids_;
};

}  // namespace dsc::checkpoint
