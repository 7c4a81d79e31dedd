// Small text data that a test writes itself, read with the tiny tokenizer of tests/fixtures/text.
#pragma once

#include <fstream>
#include <string>

#include "data/files.h"
#include "data/open.h"

namespace dsc::test {

inline std::string tiny_tokenizer() { return DSC_SOURCE_DIR "/tests/fixtures/text/word_pieces.tokenizer.xml"; }

inline std::string write_text(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  return path.string();
}

// A split of that format over one file, without a memory on disk.
inline SplitConfig text_split(DataFormat format, const std::string& path, std::int64_t max_length = 64) {
  SplitConfig split;
  split.format = format;
  split.path.path = path;
  split.text.tokenizer.path = tiny_tokenizer();
  split.text.max_length = max_length;
  split.text.cache.clear();
  return split;
}

inline Batch batch_of(const Dataset& dataset, std::vector<std::int64_t> indices) { return dataset.batch(indices, std::nullopt); }

inline std::vector<std::int64_t> numbers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.reshape({-1}).contiguous();
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

}  // namespace dsc::test
