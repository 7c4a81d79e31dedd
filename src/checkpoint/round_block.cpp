#include "checkpoint/round_block.h"

#include <algorithm>

#include "checkpoint/gguf.h"
#include "checkpoint/pack.h"

namespace dsc::checkpoint {
namespace {


std::int64_t group_of(const Scheme& scheme, std::int64_t columns) { return scheme.weights.group_size > 0 ? scheme.weights.group_size : columns; }

bool has(const TensorPlan& tensor, Content content) {
  return std::any_of(tensor.outputs.begin(), tensor.outputs.end(), [&](const Output& output) { return output.content == content; });
}

}  // namespace

void BlockRounder::run(const Block& block, const ShardWriter& out, std::uint64_t data_start) {
  const auto& tensor = plan_.tensors[block.tensor];
  if (tensor.scheme) return round(block, out, data_start);
  if (tensor.outputs.front().content == Content::bytes) return copy(block, out, data_start);
  convert(block, out, data_start);
}

void BlockRounder::copy(const Block& block, const ShardWriter& out, std::uint64_t data_start) {
  const auto& tensor = plan_.tensors[block.tensor];
  const auto& source = plan_.source.tensors[tensor.tensor];
  rows_.load(source, block.first, block.count);
  write_rows(block, out, data_start, rows_.bytes().data(), rows_.bytes().size() / size_of(block.count));
}

void BlockRounder::write_rows(const Block& block, const ShardWriter& out, std::uint64_t data_start, const void* data, std::uint64_t row_bytes) const {
  const auto& tensor = plan_.tensors[block.tensor];
  const auto& source = plan_.source.tensors[tensor.tensor];
  const auto place = data_start + tensor.outputs.front().stored.begin;
  const auto heads = plan_.options.format == Format::gguf ? interleaved_heads(plan_.source, source.name) : 0;
  if (heads <= 0) return out.write(place + row_bytes * size_of(block.first), data, row_bytes * size_of(block.count));
  const auto* bytes = static_cast<const char*>(data);
  for (std::int64_t row = 0; row < block.count; ++row) {
    out.write(place + row_bytes * size_of(gguf_row(block.first + row, source.rows(), heads)), bytes + row_bytes * size_of(row), row_bytes);
  }
}

void BlockRounder::convert(const Block& block, const ShardWriter& out, std::uint64_t data_start) {
  const auto& tensor = plan_.tensors[block.tensor];
  const auto& source = plan_.source.tensors[tensor.tensor];
  const auto width = bytes_of(tensor.element);
  rows_.load(source, block.first, block.count);
  const auto columns = size_of(source.shape.size() == 2 ? source.columns() : 1);
  wide_.resize(source.shape.size() == 2 ? columns : size_of(block.count));
  values_.resize(columns * size_of(block.count) * width);
  if (source.shape.size() == 2) {
    for (std::int64_t row = 0; row < block.count; ++row) {
      rows_.widen(row, wide_.data());
      narrow(tensor.element, wide_.data(), values_.data() + size_of(row) * columns * width, columns);
    }
  } else {
    const auto count = size_of(block.count);
    if (!widen(*element_of(source.dtype), rows_.bytes().data(), wide_.data(), count)) {
      throw Error(ErrorCode::model_file, "`" + source.name + "` holds values that are not finite", {.file = plan_.source.shards[source.shard].path},
                  "the checkpoint is damaged: copy or write it again");
    }
    narrow(tensor.element, wide_.data(), values_.data(), count);
  }
  write_rows(block, out, data_start, values_.data(), columns * width);
}

void BlockRounder::round(const Block& block, const ShardWriter& out, std::uint64_t data_start) {
  const auto& tensor = plan_.tensors[block.tensor];
  const auto& source = plan_.source.tensors[tensor.tensor];
  const auto columns = source.columns(), groups = columns / group_of(*tensor.scheme, columns);
  const auto element = *element_of(source.dtype);
  const auto blocks = has(tensor, Content::blocks) ? ggml_type_of(tensor.scheme->weights) : std::nullopt;
  const auto scale = !blocks ? tensor.element : blocks == GgmlType::q4_k ? Element::f32 : Element::f16;  // Q4_K rounds scales once more
  rounder_.emplace(Rounding{tensor.scheme->weights, element == Element::f8_e4m3 ? Element::f32 : element, scale});
  rows_.load(source, block.first, block.count);
  wide_.resize(size_of(columns));
  codes_.resize(size_of(columns));
  grids_.resize(size_of(groups));
  scales_.resize(size_of(block.count * groups));
  zeros_.resize(size_of(block.count * groups));
  words_.resize(size_of(block.count * packed_words(columns, tensor.scheme->weights.bits)));
  if (blocks) block_bytes_.resize(size_of(block.count * ggml_row_bytes(*blocks, columns)));
  values_.resize(has(tensor, Content::rounded) ? size_of(block.count * columns) * bytes_of(tensor.element) : 0);
  for (std::int64_t row = 0; row < block.count; ++row) round_row(tensor, row, columns);
  write_outputs(block, out, data_start);
}

void BlockRounder::round_row(const TensorPlan& tensor, std::int64_t row, std::int64_t columns) {
  const auto group = group_of(*tensor.scheme, columns), groups = columns / group;
  rows_.widen(row, wide_.data());
  const auto* moments = moments_of(plan_.source.tensors[tensor.tensor]);
  for (std::int64_t j = 0; j < groups; ++j) {
    const auto start = size_of(j * group);
    const auto grid = rounder_->round(wide_.data() + start, moments ? moments + start : nullptr, size_of(group), codes_.data() + start);
    grids_[size_of(j)] = grid;
    scales_[size_of(row * groups + j)] = grid.scale;
    zeros_[size_of(row * groups + j)] = static_cast<std::uint8_t>(static_cast<int>(grid.zero - grid.low));
  }
  emit(tensor, row, columns);
}

// The row's integers in the form that is written.
void BlockRounder::emit(const TensorPlan& tensor, std::int64_t row, std::int64_t columns) {
  const auto bits = tensor.scheme->weights.bits;
  const auto width = bytes_of(tensor.element);
  if (has(tensor, Content::blocks)) {
    const auto type = *ggml_type_of(tensor.scheme->weights);
    encode_ggml_row(type, wide_.data(), grids_.data(), codes_.data(), columns, block_bytes_.data() + size_of(row * ggml_row_bytes(type, columns)));
  } else if (has(tensor, Content::packed)) {
    pack(codes_.data(), size_of(columns), bits, words_.data() + size_of(row * packed_words(columns, bits)));
  } else if (has(tensor, Content::integers)) {  // signed bytes: the smallest integer is -128
    auto* bytes = reinterpret_cast<std::uint8_t*>(words_.data()) + size_of(row * columns);
    for (std::int64_t i = 0; i < columns; ++i) bytes[i] = codes_[size_of(i)] ^ 0x80U;
  } else {
    const auto group = group_of(*tensor.scheme, columns);
    for (std::int64_t j = 0; j * group < columns; ++j) kernels::decode(codes_.data() + j * group, grids_[size_of(j)], wide_.data() + j * group, size_of(group));
    narrow(tensor.element, wide_.data(), values_.data() + size_of(row * columns) * width, size_of(columns));
  }
}

void BlockRounder::write_outputs(const Block& block, const ShardWriter& out, std::uint64_t data_start) {
  const auto& tensor = plan_.tensors[block.tensor];
  const auto& source = plan_.source.tensors[tensor.tensor];
  const auto bits = tensor.scheme->weights.bits, columns = source.columns(), groups = columns / group_of(*tensor.scheme, columns);
  for (const auto& output : tensor.outputs) {
    const auto place = data_start + output.stored.begin;
    if (output.content == Content::blocks) this->write_rows(block, out, data_start, block_bytes_.data(), block_bytes_.size() / size_of(block.count));
    const auto write_rows = [&](std::int64_t row_bytes, const void* data) {
      out.write(place + size_of(block.first * row_bytes), data, size_of(block.count * row_bytes));
    };
    if (output.content == Content::packed) write_rows(packed_words(columns, bits) * 4, words_.data());
    if (output.content == Content::integers) write_rows(columns, words_.data());
    if (output.content == Content::rounded) write_rows(columns * static_cast<std::int64_t>(bytes_of(tensor.element)), values_.data());
    if (output.content == Content::scales) {
      stored_scales_.resize(scales_.size() * bytes_of(tensor.element));
      narrow(tensor.element, scales_.data(), stored_scales_.data(), scales_.size());
      write_rows(groups * static_cast<std::int64_t>(bytes_of(tensor.element)), stored_scales_.data());
    }
    if (output.content == Content::zero_points) {
      zero_words_.resize(size_of(packed_words(block.count, bits) * groups));
      pack_columns(zeros_.data(), size_of(block.count), size_of(groups), bits, zero_words_.data());
      out.write(place + size_of(packed_words(block.first, bits) * groups) * 4, zero_words_.data(), zero_words_.size() * 4);
    }
    if (output.content == Content::shape && block.first == 0) {
      const std::int64_t shape[] = {source.rows(), columns};
      out.write(place, shape, sizeof(shape));
    }
  }
}

const float* BlockRounder::moments_of(const Tensor& tensor) {
  const auto entry = plan_.moments.find(tensor.module());
  if (entry == plan_.moments.end()) return nullptr;
  if (moments_tensor_ != entry->second) {
    const auto& moments = plan_.calibration.tensors[entry->second];
    moments_.resize(size_of(moments.columns()));
    calibration_.read(moments.shard, moments.offset, moments_.data(), moments.bytes);
    moments_tensor_ = entry->second;
  }
  return moments_.data();
}

}  // namespace dsc::checkpoint
