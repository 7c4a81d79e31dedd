// Model files in the formats users deploy. Each is written atomically, read back and compared before it counts as done.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "io/safetensors.h"

namespace dsc {

struct Artifact {
  std::string path;
  std::string format;           // pt2, safetensors, openvino
  std::int64_t size_bytes = 0;  // on disk; of all files it consists of
  std::string check;            // "reloaded, outputs equal"
};

// The formats by file extension, for messages: {".pt2", "pt2"}, ...
const std::vector<std::pair<std::string, std::string>>& artifact_formats();

// Writes `model` in the format of the path's extension. metadata: goes into the header of a .safetensors.
// errors: usage for an unknown extension; numeric when the file's outputs differ from the model's; io; unsupported.
Artifact write_artifact(const Model& model, const std::string& path, const std::map<std::string, std::string>& metadata = {});

// The model's tensors as they are stored: fake-quantised weights as integers of their real width (two 4-bit values to a
// byte) with scales and zero points beside them, everything else as it is.
TensorFile stored_tensors(const Model& model);
// Bytes of the .safetensors file that `stored_tensors` makes, recipe metadata apart.
std::int64_t stored_file_bytes(const Model& model);

}  // namespace dsc
