// Requests of different lengths in one batch: filled up with zeros to the next of a few lengths, and cut back afterwards.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "serve/protocol.h"

namespace dsc {

// What of a model has a length: dimension 1 of its inputs, where it is open. Only a model with a mask among its inputs, which
// zeros hide, can be given more than there is.
class Lengths {
 public:
  Lengths() = default;
  Lengths(const std::vector<TensorMetadata>& inputs, const std::vector<TensorMetadata>& outputs, std::vector<std::int64_t> buckets);

  bool can_pad() const { return can_pad_; }
  std::int64_t longest() const { return buckets_.empty() ? 0 : buckets_.back(); }  // bucket
  // Of a request's inputs; 0 where none has a length. errors: data, when they disagree.
  std::int64_t length_of(const std::vector<at::Tensor>& inputs) const;
  // The bucket that holds it, or itself.
  std::int64_t bucket_of(std::int64_t length) const;
  std::vector<at::Tensor> pad(std::vector<at::Tensor> inputs, std::int64_t length) const;
  // Outputs that are as long as the filled up inputs.
  std::vector<at::Tensor> cut(std::vector<at::Tensor> outputs, std::int64_t padded, std::int64_t length) const;

 private:
  std::vector<bool> has_length_;       // of each input
  std::vector<bool> output_is_open_;   // in dimension 1
  std::vector<std::int64_t> buckets_;  // ascending
  bool can_pad_ = false;
};

}  // namespace dsc
