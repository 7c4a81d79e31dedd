// The safetensors format: 8-byte header length, JSON header, raw little-endian tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

struct TensorFile {
  std::vector<std::pair<std::string, at::Tensor>> tensors;  // in file order
  std::map<std::string, std::string> metadata;
};

// Reads one file, or a sharded set by its index (model.safetensors.index.json, or a folder that holds one).
// Tensors of a single file share one memory map. errors: model_file with the offset and what is wrong.
TensorFile read_safetensors(const std::string& path);
// Atomic; deterministic bytes.
void write_safetensors(const std::string& path, const TensorFile& file);
// Size of the file that write_safetensors would make.
std::int64_t safetensors_bytes(const TensorFile& file);

// Puts the file's tensors into the model by name. errors: model_file, listing *all* names, shapes and dtypes that do not
// match, each with the nearest names.
void swap_weights(Model& model, const std::string& path);

}  // namespace dsc
