#include "checkpoint/rows.h"

#include <algorithm>

#include "core/vectorised.h"

namespace dsc::checkpoint {
namespace {

DSC_VECTORISED void multiply(float* values, float factor, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) values[i] *= factor;
}

std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

void RowReader::load(const Tensor& tensor, std::int64_t first, std::int64_t count) {
  tensor_ = &tensor;
  first_ = first;
  count_ = count;
  const auto width = dtype_bytes(tensor.dtype) * (tensor.shape.size() == 2 ? unsigned_of(tensor.columns()) : 1);
  raw_.resize(width * unsigned_of(count));
  shards_.read(tensor.shard, tensor.offset + width * unsigned_of(first), raw_.data(), raw_.size());
  if (tensor.scale) load_scales(plan_.source.tensors[*tensor.scale]);
}

void RowReader::load_scales(const Tensor& scale) {
  first_scale_row_ = first_ / plan_.source.block_rows;
  const auto rows = (first_ + count_ - 1) / plan_.source.block_rows - first_scale_row_ + 1;
  const auto size = unsigned_of(rows * scale.columns());
  const auto width = dtype_bytes(scale.dtype);
  raw_scales_.resize(size * width);
  scales_.resize(size);
  shards_.read(scale.shard, scale.offset + unsigned_of(first_scale_row_ * scale.columns()) * width, raw_scales_.data(), raw_scales_.size());
  if (checkpoint::widen(*element_of(scale.dtype), raw_scales_.data(), scales_.data(), size)) return;
  throw Error(ErrorCode::model_file, "`" + scale.name + "` holds values that are not finite", {.file = plan_.source.shards[scale.shard].path},
              "the checkpoint is damaged: copy or write it again");
}

void RowReader::widen(std::int64_t row, float* wide) {
  const auto columns = unsigned_of(tensor_->shape.size() == 2 ? tensor_->columns() : 1);
  const auto element = *element_of(tensor_->dtype);
  const bool finite = checkpoint::widen(element, raw_.data() + unsigned_of(row) * columns * bytes_of(element), wide, columns);
  if (!finite) {
    throw Error(ErrorCode::model_file, "`" + tensor_->name + "` holds values that are not finite, first in row " + std::to_string(first_ + row),
                {.file = plan_.source.shards[tensor_->shard].path}, "the checkpoint is damaged: copy or write it again");
  }
  if (!tensor_->scale) return;
  const auto block = unsigned_of(plan_.source.block_columns);
  const auto scale_columns = (columns + block - 1) / block;
  const auto* scales = scales_.data() + unsigned_of((first_ + row) / plan_.source.block_rows - first_scale_row_) * scale_columns;
  for (std::size_t j = 0; j < scale_columns; ++j) multiply(wide + j * block, scales[j], std::min(block, columns - j * block));
}

}  // namespace dsc::checkpoint
