// What becomes of each tensor of a checkpoint: decided from headers and options alone, before anything is read or written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/elements.h"
#include "checkpoint/options.h"
#include "checkpoint/roles.h"
#include "checkpoint/source.h"
#include "io/safetensors_header.h"

namespace dsc::checkpoint {

// What the bytes of an output tensor are made of.
enum class Content : std::uint8_t {
  bytes,       // the source's, unchanged
  converted,   // floating point of another type
  rounded,     // rounded values, in floating point
  packed,      // integers in 32-bit words
  integers,    // one signed byte each
  blocks,      // rows in a block format of ggml, scales included
  scales,
  zero_points,  // packed down the rows
  shape        // rows and columns
};

struct Output {
  StoredTensor stored;  // its place is that within its shard
  Content content;
};

struct TensorPlan {
  std::size_t tensor = 0;        // in Source::tensors
  Role role = Role::linear;
  std::optional<Scheme> scheme;  // none: not rounded
  Element element = Element::bf16;  // of what is written in floating point, and of scales
  std::string kept_because;      // of what is not rounded; empty for tensors that nobody would round (norms, biases)
  std::vector<Output> outputs;
};

struct ShardPlan {
  std::string name;
  std::vector<std::size_t> tensors;  // in Plan::tensors
  std::uint64_t bytes = 0;           // of the file, header included
  std::string header;
};

struct Plan {
  Options options;
  Source source;
  std::vector<TensorPlan> tensors;
  std::vector<ShardPlan> shards;
  std::map<std::string, std::size_t> moments;  // module to tensor of the calibration file
  Source calibration;
  std::vector<std::string> copied, left_out;   // files beside the shards
  std::int64_t threads = 1;
  std::int64_t buffer_bytes = 0;               // of one thread

  std::uint64_t output_bytes() const;
};

// Reads headers only. errors: all problems at once: model_file, unsupported, recipe, resource (buffers above `memory`).
Plan make_plan(const Options& options, std::int64_t threads);

// Tables for people, and the same as JSON.
std::string plan_text(const Plan& plan);
std::string plan_json(const Plan& plan);

}  // namespace dsc::checkpoint
