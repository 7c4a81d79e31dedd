// What a `checkpoint` recipe says: which folder, to which precision, in which form, for which reader.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"

namespace dsc::checkpoint {

// How the scale (and zero point) of a group follows from its values (checkpoint/grids.h).
enum class Scales : std::uint8_t { minmax, search, hqq };
std::span<const std::string_view> enum_names(Scales);

// What a tensor is written as.
enum class Precision : std::uint8_t {
  integer,  // as `weights` says
  source,   // the type it has; fp8 becomes bf16
  bf16,
  f16,
  f32
};
std::span<const std::string_view> enum_names(Precision);

enum class Format : std::uint8_t {
  compressed_tensors,  // integers, scales, zero points: Transformers, vLLM
  safetensors,         // floating point throughout, rounded values written out: every reader
  gguf                 // blocks of ggml, tokenizer included: llama.cpp
};
std::span<const std::string_view> enum_names(Format);

// The program that the result must suit (checkpoint/runtime.h).
enum class Runtime : std::uint8_t { transformers, vllm, llama_cpp };
std::span<const std::string_view> enum_names(Runtime);

struct WeightOptions {
  std::int64_t bits = 4;
  std::int64_t group_size = 128;  // columns that share a scale; 0: the whole row
  bool symmetric = true;
  Scales scales = Scales::search;
  void fields(FieldVisitor& visit);
  bool operator==(const WeightOptions&) const = default;
};

struct ActivationOptions {
  std::int64_t bits = 16;  // 8: rounded per token while the model runs
  void fields(FieldVisitor& visit);
  bool operator==(const ActivationOptions&) const = default;
};

// Another precision for some modules; what it does not say stays as the options above it say.
struct LayerRule {
  struct Weights {
    std::optional<std::int64_t> bits, group_size;
    std::optional<bool> symmetric;
    std::optional<Scales> scales;
    void fields(FieldVisitor& visit);
  };
  struct Activations {
    std::optional<std::int64_t> bits;
    void fields(FieldVisitor& visit);
  };
  std::string select = "**";
  Precision precision = Precision::integer;
  Weights weights;
  Activations activations;
  void fields(FieldVisitor& visit);
};

struct Options {
  FilePath path;
  WeightOptions weights;
  ActivationOptions activations;
  Precision precision = Precision::source;  // of what is not rounded, and of the scales
  std::vector<LayerRule> layers;
  Format format = Format::compressed_tensors;
  Runtime runtime = Runtime::transformers;
  FilePath calibration;
  Quantity shard_size = {5, "GB"};
  Quantity memory = {2, "GiB"};
  void fields(FieldVisitor& visit);
};

// "5GB" in bytes.
std::int64_t bytes_of(const Quantity& quantity);

// How one weight is rounded.
struct Scheme {
  WeightOptions weights;
  ActivationOptions activations;
  bool operator==(const Scheme&) const = default;
};
// "W4A16, groups of 128, search"
std::string to_string(const Scheme& scheme);

}  // namespace dsc::checkpoint
