// The .pt2 archive of torch.export: zip entries models/model.json, data/weights/*, data/constants/*.
#pragma once

#include <string>

#include "dscompress/model.h"

namespace dsc {

// Reads export schema 8.x. errors: model_file (damaged or truncated, with the entry and offset; other schema versions,
// with the version found and the remedy), unsupported (all constructs that cannot be represented, by node and line).
Model read_pt2(const std::string& path);

// Writes an archive that Python's torch.export.load runs with the same outputs. Atomic; deterministic bytes.
void write_pt2(const Model& model, const std::string& path);

}  // namespace dsc
