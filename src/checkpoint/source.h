// A checkpoint on disk, seen through its headers: no tensor is read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/elements.h"
#include "dscompress/error.h"

namespace dsc::checkpoint {

struct Shard {
  std::string path, name;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
};

struct Tensor {
  std::string name;
  std::string dtype;  // "BF16"
  std::vector<std::int64_t> shape;
  std::size_t shard = 0;
  std::uint64_t offset = 0, bytes = 0;  // in the shard's file
  std::optional<std::size_t> scale;     // of fp8: the tensor that holds w / fp8, block by block
  bool is_scale = false;                // used up by the tensor that it scales

  std::int64_t rows() const { return shape.size() == 2 ? shape[0] : 1; }
  std::int64_t columns() const;  // elements of a row
  // "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight"; the name itself without that ending.
  std::string module() const;
};

struct Source {
  std::string folder;
  std::vector<Shard> shards;
  std::vector<Tensor> tensors;      // shard by shard, in the order of their places
  std::string config;               // text of config.json; empty: there is none
  std::int64_t block_rows = 128, block_columns = 128;  // of fp8 scales
  std::string model_type, architecture, quant_method;  // from config.json; empty: it does not say

  std::uint64_t bytes() const;
};

// A problem and the kind of failure that it is.
struct Finding {
  ErrorCode code;
  Problem problem;
};
// Throws all, the gravest kind deciding the exit status; nothing when there are none.
void throw_findings(std::vector<Finding> findings);

// Opens a folder (with an index, or all shards in it) or a single .safetensors file. What is wrong is added to `findings`: missing shards,
// stale index, damaged headers, scales that are nowhere or of another shape.
// errors: io, model_file, when there is nothing to go on with.
Source open_source(const std::string& path, std::vector<Finding>& findings);

}  // namespace dsc::checkpoint
