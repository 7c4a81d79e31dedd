// The bytes of a GGUF header: keys with values, then a row for each tensor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/ggml_blocks.h"

namespace dsc::checkpoint {

inline constexpr std::uint64_t kGgufAlignment = 32;

class GgufHeader {
 public:
  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, std::uint32_t number);
  void add(std::string_view key, float number);
  void add(std::string_view key, bool flag);
  void add(std::string_view key, const std::vector<std::string>& texts);
  void add(std::string_view key, const std::vector<std::int32_t>& numbers);
  // shape: rows first. `offset`: from the start of the data.
  void add_tensor(std::string_view name, const std::vector<std::int64_t>& shape, GgmlType type, std::uint64_t offset);

  // All of it, padded to where the data starts.
  std::string bytes() const;

 private:
  void begin(std::string_view key, std::uint32_t type);

  std::uint64_t keys_ = 0, tensors_ = 0;
  std::string key_bytes_, tensor_bytes_;
};

}  // namespace dsc::checkpoint
