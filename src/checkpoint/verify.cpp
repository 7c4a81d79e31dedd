#include "checkpoint/verify.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "checkpoint/blocks.h"
#include "checkpoint/gguf.h"
#include "checkpoint/group_kernels.h"
#include "checkpoint/pack.h"
#include "checkpoint/rows.h"
#include "checkpoint/workers.h"

namespace dsc::checkpoint {
namespace {


struct Sums {
  double error = 0, source = 0, largest = 0;
};

// Of one thread.
class BlockVerifier {
 public:
  BlockVerifier(const Plan& plan, const ShardReader& source, const ShardReader& result) : plan_(plan), rows_(plan, source), result_(result) {}

  Sums run(const Block& block, std::size_t shard) {
    shard_ = shard;
    const auto& tensor = plan_.tensors[block.tensor];
    const auto& source = plan_.source.tensors[tensor.tensor];
    rows_of_tensor_ = source.rows();
    heads_ = plan_.options.format == Format::gguf ? interleaved_heads(plan_.source, source.name) : 0;
    rows_.load(plan_.source.tensors[tensor.tensor], block.first, block.count);
    if (tensor.scheme) return compare_rounded(block, tensor);
    compare_kept(block, tensor);
    return {};
  }

 private:
  // Rows first..first+count of an output, `row_bytes` each.
  template <class T>
  void read(const Output& output, std::int64_t first, std::int64_t count, std::int64_t row_bytes, std::vector<T>& data) {
    data.resize(size_of(count * row_bytes) / sizeof(T));
    const auto start = plan_.shards[shard_].header.size() + output.stored.begin;
    if (heads_ <= 0) return result_.read(shard_, start + size_of(first * row_bytes), data.data(), data.size() * sizeof(T));
    auto* bytes = reinterpret_cast<char*>(data.data());
    for (std::int64_t row = 0; row < count; ++row) {
      result_.read(shard_, start + size_of(gguf_row(first + row, rows_of_tensor_, heads_) * row_bytes), bytes + row * row_bytes, size_of(row_bytes));
    }
  }

  void compare_kept(const Block& block, const TensorPlan& tensor) {
    const auto& source = plan_.source.tensors[tensor.tensor];
    const auto& output = tensor.outputs.front();
    const auto columns = source.shape.size() == 2 ? source.columns() : 1;
    const auto row_bytes = columns * static_cast<std::int64_t>(dtype_bytes(output.stored.dtype));
    read(output, block.first, block.count, row_bytes, bytes_);
    bool same = true;
    if (output.content == Content::bytes) {
      same = bytes_.size() == rows_.bytes().size() && std::memcmp(bytes_.data(), rows_.bytes().data(), bytes_.size()) == 0;
    } else {
      expected_.resize(size_of(row_bytes));
      wide_.resize(size_of(columns));
      for (std::int64_t row = 0; row < block.count && same; ++row) {
        rows_.widen(row, wide_.data());
        narrow(tensor.element, wide_.data(), expected_.data(), wide_.size());
        same = std::memcmp(expected_.data(), bytes_.data() + row * row_bytes, expected_.size()) == 0;
      }
    }
    if (!same) throw Error(ErrorCode::model_file, "`" + source.name + "` was not written as it should be", {.file = plan_.shards[shard_].name}, "check the disk");
  }

  Sums compare_rounded(const Block& block, const TensorPlan& tensor) {
    const auto columns = plan_.source.tensors[tensor.tensor].columns();
    read_outputs(block, tensor, columns);
    wide_.resize(size_of(columns));
    rounded_.resize(size_of(columns));
    Sums sums;
    for (std::int64_t row = 0; row < block.count; ++row) {
      rows_.widen(row, wide_.data());
      decode_row(tensor, row, columns);
      for (std::size_t i = 0; i < wide_.size(); ++i) {
        const double w = wide_[i], d = w - rounded_[i];
        sums.error += d * d;
        sums.source += w * w;
        sums.largest = std::max(sums.largest, std::abs(d));
      }
    }
    return sums;
  }

  void read_outputs(const Block& block, const TensorPlan& tensor, std::int64_t columns) {
    const auto& weights = tensor.scheme->weights;
    groups_ = weights.group_size > 0 ? columns / weights.group_size : 1;
    const auto width = static_cast<std::int64_t>(bytes_of(tensor.element));
    zeros_.clear();
    for (const auto& output : tensor.outputs) {
      if (output.content == Content::blocks) read(output, block.first, block.count, ggml_row_bytes(*ggml_type_of(weights), columns), bytes_);
      if (output.content == Content::packed) read(output, block.first, block.count, packed_words(columns, weights.bits) * 4, words_);
      if (output.content == Content::integers) read(output, block.first, block.count, columns, bytes_);
      if (output.content == Content::rounded) read(output, block.first, block.count, columns * width, bytes_);
      if (output.content == Content::scales) {
        read(output, block.first, block.count, groups_ * width, expected_);
        scales_.resize(size_of(block.count * groups_));
        checkpoint::widen(tensor.element, expected_.data(), scales_.data(), scales_.size());
      }
      if (output.content == Content::zero_points) {
        const auto words = packed_words(block.count, weights.bits);
        read(output, packed_words(block.first, weights.bits), words, groups_ * 4, zero_words_);
        zeros_.resize(size_of(block.count * groups_));
        unpack_columns(zero_words_.data(), size_of(block.count), size_of(groups_), weights.bits, zeros_.data());
      }
    }
  }

  void decode_row(const TensorPlan& tensor, std::int64_t row, std::int64_t columns) {
    const auto bits = tensor.scheme->weights.bits;
    if (tensor.outputs.front().content == Content::blocks) {
      const auto type = *ggml_type_of(tensor.scheme->weights);
      return decode_ggml_row(type, reinterpret_cast<const std::uint8_t*>(bytes_.data()) + row * ggml_row_bytes(type, columns), columns, rounded_.data());
    }
    if (tensor.outputs.front().content == Content::rounded) {
      checkpoint::widen(tensor.element, bytes_.data() + size_of(row * columns) * bytes_of(tensor.element), rounded_.data(), rounded_.size());
      return;
    }
    codes_.resize(size_of(columns));
    if (tensor.outputs.front().content == Content::packed) {
      unpack(words_.data() + row * packed_words(columns, bits), codes_.size(), bits, codes_.data());
    } else {
      for (std::size_t i = 0; i < codes_.size(); ++i) codes_[i] = static_cast<std::uint8_t>(bytes_[size_of(row * columns) + i]) ^ 0x80U;
    }
    const auto group = size_of(columns / groups_);
    const auto half = static_cast<float>(1 << (bits - 1));
    for (std::size_t j = 0; j < size_of(groups_); ++j) {
      const auto place = size_of(row * groups_) + j;
      const float zero = zeros_.empty() ? 0 : static_cast<float>(zeros_[place]) - half;
      kernels::decode(codes_.data() + j * group, {.scale = scales_[place], .zero = zero, .low = -half, .high = half - 1}, rounded_.data() + j * group, group);
    }
  }

  const Plan& plan_;
  RowReader rows_;
  const ShardReader& result_;
  std::size_t shard_ = 0;
  std::int64_t groups_ = 1, rows_of_tensor_ = 0, heads_ = 0;
  std::vector<float> wide_, rounded_, scales_;
  std::vector<char> bytes_, expected_;
  std::vector<std::uint32_t> words_, zero_words_;
  std::vector<std::uint8_t> codes_, zeros_;
};

bool is_as_planned(const Plan& plan, const ShardPlan& shard, const std::string& path) {
  if (plan.options.format == Format::gguf) return std::filesystem::file_size(path) == shard.bytes;
  const auto header = read_safetensors_header(path);
  return header.file_size == shard.bytes && header.data_start == shard.header.size();
}

std::vector<Shard> result_shards(const Plan& plan, const std::string& folder) {
  std::vector<Shard> shards;
  for (const auto& shard : plan.shards) {
    const auto path = (std::filesystem::path(folder) / shard.name).string();
    if (!is_as_planned(plan, shard, path))
      throw Error(ErrorCode::model_file, "the shard is not what was planned", {.file = path}, "check the disk");
    shards.push_back({.path = path, .name = shard.name, .bytes = shard.bytes});
  }
  return shards;
}

TensorError error_of(const Plan& plan, const TensorPlan& tensor, const Sums& sums) {
  const auto module = plan.source.tensors[tensor.tensor].module();
  if (!(sums.error <= sums.source)) {
    throw Error(ErrorCode::model_file, "`" + module + "` was not written as it should be: its error is larger than itself", {}, "check the disk");
  }
  return {module, to_string(*tensor.scheme), sums.source > 0 ? std::sqrt(sums.error / sums.source) : 0, sums.largest, sums.error};
}

}  // namespace

std::vector<TensorError> verify(const Plan& plan, const std::string& folder,
                                const std::function<void(const char*, std::int64_t, std::int64_t)>& progress) {
  const auto shards = result_shards(plan, folder);
  const ShardReader source(plan.source.shards), result(shards);
  std::vector<std::unique_ptr<BlockVerifier>> verifiers;
  for (std::int64_t i = 0; i < plan.threads; ++i) verifiers.push_back(std::make_unique<BlockVerifier>(plan, source, result));
  const auto total = static_cast<std::int64_t>(plan.output_bytes());
  std::int64_t done = 0;
  std::vector<TensorError> errors;
  for (std::size_t number = 0; number < plan.shards.size(); ++number) {
    const auto& shard = plan.shards[number];
    const auto blocks = blocks_of(plan, shard);
    std::vector<Sums> sums(blocks.size());
    const auto work = [&](std::size_t thread, std::size_t job) { sums[job] = verifiers[thread]->run(blocks[job], number); };
    run_jobs(plan.threads, blocks.size(), work, [&] { if (progress) progress("verifying", done, total); });
    done += static_cast<std::int64_t>(shard.bytes);
    for (std::size_t i = 0; i < blocks.size();) {  // in the order of the blocks, whoever computed them
      Sums whole;
      const auto tensor = blocks[i].tensor;
      for (; i < blocks.size() && blocks[i].tensor == tensor; ++i) {
        whole.error += sums[i].error;
        whole.source += sums[i].source;
        whole.largest = std::max(whole.largest, sums[i].largest);
      }
      if (plan.tensors[tensor].scheme) errors.push_back(error_of(plan, plan.tensors[tensor], whole));
    }
  }
  return errors;
}

}  // namespace dsc::checkpoint
