#include "serve/padding.h"

#include <ATen/ops/constant_pad_nd.h>

#include <algorithm>

#include "dscompress/error.h"

namespace dsc {
namespace {

bool is_open(const TensorMetadata& tensor) { return tensor.shape.size() >= 2 && tensor.shape[1] < 0; }

bool is_mask(const TensorMetadata& tensor) { return tensor.shape.size() == 2 && is_open(tensor) && tensor.name.find("mask") != std::string::npos; }

}  // namespace

Lengths::Lengths(const std::vector<TensorMetadata>& inputs, const std::vector<TensorMetadata>& outputs, std::vector<std::int64_t> buckets)
    : buckets_(std::move(buckets)) {
  for (const auto& input : inputs) has_length_.push_back(is_open(input));
  for (const auto& output : outputs) output_is_open_.push_back(is_open(output));
  can_pad_ = std::ranges::any_of(inputs, is_mask);
  std::ranges::sort(buckets_);
}

std::int64_t Lengths::length_of(const std::vector<at::Tensor>& inputs) const {
  std::int64_t length = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!has_length_[i]) continue;
    const auto own = inputs[i].size(1);
    if (can_pad_ && length > 0 && own != length)
      throw Error(ErrorCode::data, "inputs have different lengths: " + std::to_string(length) + " and " + std::to_string(own));
    length = std::max(length, own);
  }
  return length;
}

std::int64_t Lengths::bucket_of(std::int64_t length) const {
  if (!can_pad_) return length;
  const auto bucket = std::ranges::lower_bound(buckets_, length);
  return bucket == buckets_.end() ? length : *bucket;
}

std::vector<at::Tensor> Lengths::pad(std::vector<at::Tensor> inputs, std::int64_t length) const {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!has_length_[i] || inputs[i].size(1) >= length) continue;
    std::vector<std::int64_t> amounts(2 * static_cast<std::size_t>(inputs[i].dim() - 1), 0);  // last dimension first, in front and behind
    amounts.back() = length - inputs[i].size(1);
    inputs[i] = at::constant_pad_nd(inputs[i], amounts, 0);
  }
  return inputs;
}

std::vector<at::Tensor> Lengths::cut(std::vector<at::Tensor> outputs, std::int64_t padded, std::int64_t length) const {
  if (padded == length) return outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (output_is_open_[i] && outputs[i].dim() >= 2 && outputs[i].size(1) == padded) outputs[i] = outputs[i].narrow(1, 0, length);
  }
  return outputs;
}

}  // namespace dsc
