// GGUF, version 3, as llama.cpp reads it: names, row order and header of a Llama-like checkpoint in one file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/ggml_blocks.h"
#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// Heads whose rows llama.cpp wants interleaved (position i beside i + half instead of half a head apart): those of queries and keys
// of Llama and Mistral. 0: the rows stay in order.
std::int64_t interleaved_heads(const Source& source, const std::string& name);
// The row of the result that row `row` of the source becomes.
std::int64_t gguf_row(std::int64_t row, std::int64_t rows, std::int64_t heads);

// The one output of a tensor.
Output gguf_output(const Tensor& tensor, const TensorPlan& plan);

// What GGUF, or llama.cpp, cannot hold: unknown architectures and names, grids without a block format, missing tokenizers.
std::vector<Finding> check_gguf(const Plan& plan);
// Fills in the one shard with its header, and the places of all outputs.
void lay_out_gguf(Plan& plan);

}  // namespace dsc::checkpoint
