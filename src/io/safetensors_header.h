// What a safetensors file says before its data: names, element types, shapes and places of its tensors. Knows no tensor
// library, so that files larger than memory can be walked through.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dsc {

struct StoredTensor {
  std::string name;
  std::string dtype;  // as in the file: "BF16", "F8_E4M3"
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes from the start of the data

  std::uint64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;  // in the order of their places
  std::map<std::string, std::string> metadata;
  std::uint64_t data_start = 0;  // bytes from the start of the file
  std::uint64_t file_size = 0;
};

// Bytes of one element; 0: no type of the format that is whole bytes wide.
std::size_t dtype_bytes(std::string_view dtype);

// Reads and checks the header alone. errors: io; model_file with the offset and what is wrong; unsupported element types.
SafetensorsHeader read_safetensors_header(const std::string& path);

// The bytes before the data, header length included, of tensors in the order of their places.
// errors: internal, for a name given twice.
std::string safetensors_header_text(const std::vector<StoredTensor>& tensors, const std::map<std::string, std::string>& metadata);

// The index of a set of shards: {"weight_map": {tensor: file}}, as name to file. errors: model_file, io.
inline constexpr const char* kSafetensorsIndex = "model.safetensors.index.json";
std::map<std::string, std::string> read_safetensors_index(const std::string& path);

}  // namespace dsc
