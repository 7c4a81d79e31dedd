// Many tensors as few messages.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dsc {

// Tensors of one type and device, one after the other in one piece of memory.
struct Bucket {
  std::vector<at::Tensor> tensors;
  std::int64_t bytes = 0;
  at::Tensor memory;  // on the CPU, once filled; a single tensor's own where it lies so

  void fill();
  void empty() const;  // memory's values go back to the tensors
};

// As many tensors in each as 4 MiB hold; a larger one is alone.
std::vector<Bucket> make_buckets(const std::vector<at::Tensor>& tensors);

}  // namespace dsc
