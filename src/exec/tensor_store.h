// Tensors within a limit of memory: what goes beyond it lies in a file without a name, mapped (core/mapped_file.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "core/mapped_file.h"

namespace dsc {

class TensorStore {
 public:
  // folder: of the file, which is made when it is needed. limit: bytes held in memory.
  TensorStore(std::string folder, std::int64_t limit) : folder_(std::move(folder)), limit_(limit) {}

  // The tensor, on the CPU, with no more of its storage than it needs; beyond the limit the same one in the file.
  // errors: resource (disk full), io.
  at::Tensor keep(const at::Tensor& tensor);
  // Precondition: `keep` gave it, and nobody else has it any more.
  void release(const at::Tensor& tensor);

 private:
  std::string folder_;
  std::int64_t limit_, held_ = 0;
  std::optional<ScratchFile> file_;
  std::set<const void*> in_file_;
};

}  // namespace dsc
