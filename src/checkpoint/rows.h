// Rows of a source tensor as f32: the one place where stored weights become numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/files.h"
#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// Of one thread; its buffers are used again and again.
class RowReader {
 public:
  RowReader(const Plan& plan, const ShardReader& shards) : plan_(plan), shards_(shards) {}

  // Reads rows first..first+count of a matrix (elements of tensors of other ranks), and what scales them.
  void load(const Tensor& tensor, std::int64_t first, std::int64_t count);
  // Row `row` of those: w, or fp8 x scale, multiplied in f32. errors: model_file, for values that are not finite.
  void widen(std::int64_t row, float* wide);
  // All that was loaded, as it is stored.
  const std::vector<char>& bytes() const { return raw_; }

 private:
  void load_scales(const Tensor& tensor);

  const Plan& plan_;
  const ShardReader& shards_;
  const Tensor* tensor_ = nullptr;
  std::int64_t first_ = 0, count_ = 0;
  std::vector<char> raw_;
  std::vector<char> raw_scales_;
  std::vector<float> scales_;
  std::int64_t first_scale_row_ = 0;
};

}  // namespace dsc::checkpoint
