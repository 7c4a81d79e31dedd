// Models out of graph text, with seeded weights and inputs: for tests of the deployed form.
#pragma once

#include <ATen/ATen.h>

#include <ostream>
#include <string>
#include <vector>

#include "core/random.h"
#include "dscompress/model.h"
#include "exec/convert.h"
#include "ir/text.h"

namespace dsc::test {

// A graph by name, for parameterised tests.
struct TextCase {
  const char* name;
  const char* text;
};
inline void PrintTo(const TextCase& value, std::ostream* out) { *out << value.name; }

// Sizes as the type's example; symbolic ones become `symbolic` when it is not 0.
inline at::Tensor example_tensor(const TensorType& type, std::uint64_t seed, std::int64_t symbolic = 0) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : type.sizes) sizes.push_back(dim.is_fixed() || !symbolic ? dim.size : symbolic);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  if (type.dtype == ScalarType::i64 || type.dtype == ScalarType::i32) return at::randint(0, 5, sizes, generator).to(to_c10(type.dtype));
  if (type.dtype == ScalarType::boolean) return at::randint(0, 2, sizes, generator).to(at::kBool);
  return at::randn(sizes, generator).to(to_c10(type.dtype));
}

// Weights are normal noise, scaled down; variances and scales are positive.
inline Model text_model(const std::string& text) {
  Model model{.graph = parse_graph(text), .source = "text"};
  std::uint64_t seed = 1;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::user || input.kind == InputKind::literal) continue;
    at::Tensor tensor = example_tensor(input.value->tensor(), ++seed);
    if (tensor.is_floating_point()) tensor = tensor * 0.3;
    if (input.target.ends_with("var") || input.target.ends_with("scale")) tensor = tensor.abs() + 0.1;
    model.weights.set(input.target, tensor);
  }
  return model;
}

inline std::vector<at::Tensor> example_tensors(const Model& model, std::int64_t symbolic = 0) {
  std::vector<at::Tensor> tensors;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::user) tensors.push_back(example_tensor(input.value->tensor(), 100 + tensors.size(), symbolic));
  }
  return tensors;
}

}  // namespace dsc::test
