// The tiny language models of tests/fixtures/language_models, and what PyTorch made of them.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "dscompress/model.h"
#include "io/safetensors.h"
#include "ir/text.h"
#include "support/program.h"

namespace dsc::test {

struct RecordedModel {
  Model model;
  at::Tensor prompts;  // [2, 5]
  at::Tensor tokens;   // [2, 24]: the most likely ones, one after the other
  at::Tensor scores;   // [2, vocabulary]: what the last was chosen by
};

inline RecordedModel read_recorded(const std::string& name) {
  const std::string base = DSC_SOURCE_DIR "/tests/fixtures/language_models/" + name;
  RecordedModel read{.model = {.graph = parse_graph(slurp(base + ".txt")), .source = name}};
  for (const auto& [key, tensor] : read_safetensors(base + ".safetensors").tensors) {
    if (key == "record.prompts") read.prompts = tensor;
    else if (key == "record.tokens") read.tokens = tensor;
    else if (key == "record.scores") read.scores = tensor;
    else read.model.weights.set(key, tensor);
  }
  return read;
}

inline std::vector<std::int64_t> row_of(const at::Tensor& ids, std::int64_t row) {
  const at::Tensor one = ids[row].contiguous();
  return {one.const_data_ptr<std::int64_t>(), one.const_data_ptr<std::int64_t>() + one.numel()};
}

}  // namespace dsc::test
