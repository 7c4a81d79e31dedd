// The architectures that llama.cpp reads and that are known here: what it wants to be told of their sizes, and what it does not compute as they do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf_header.h"
#include "checkpoint/source.h"

namespace dsc::checkpoint {

// "llama", "qwen2", "qwen3", "qwen3moe", "deepseek2"; empty: none that is known here.
std::string gguf_architecture(const Source& source);
// Problems of config.json: what it must say and does not, and what llama.cpp would compute otherwise.
std::vector<Finding> check_gguf_architecture(const Source& source);
// Precondition: check_gguf_architecture found nothing.
void add_gguf_sizes(GgufHeader& header, const Source& source);
// How many layers llama.cpp reads: DeepSeek's further ones, which predict further tokens, it does not. None: all there are.
std::optional<std::int64_t> gguf_layers(const Source& source);

}  // namespace dsc::checkpoint
