// A small network of convolutions and attention as PyTorch exported it, with open sides and of one size, and what it gave; see make_hybrids in
// scripts/make_exec_fixtures.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "io/pt2.h"
#include "io/safetensors.h"

namespace dsc::test {

// name: hybrid, hybrid_fixed
inline Model hybrid_network(const std::string& name) { return read_pt2(DSC_SOURCE_DIR "/tests/fixtures/exec/" + name + ".pt2"); }

// Those whose names begin so, which is left out.
inline std::vector<std::pair<std::string, at::Tensor>> hybrid_records(const std::string& prefix) {
  std::vector<std::pair<std::string, at::Tensor>> found;
  for (const auto& [name, tensor] : read_safetensors(DSC_SOURCE_DIR "/tests/fixtures/exec/hybrid.safetensors").tensors) {
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor.clone());
  }
  return found;
}
inline at::Tensor hybrid_record(const std::string& name) {
  const auto found = hybrid_records(name);
  if (found.empty()) throw std::runtime_error("the fixture has no tensor " + name);
  return found.front().second;
}

}  // namespace dsc::test
