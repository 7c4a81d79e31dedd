// Small models written as graph text. Types of results are found by running: write `f32[]`. A dimension that grows with
// the batch becomes a multiple of the symbol s0.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "exec/executor.h"
#include "ir/text.h"
#include "support/tiny_models.h"

namespace dsc::test {

inline at::Tensor random_weight(const GraphInput& input, std::uint64_t seed) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : input.value->tensor().sizes) sizes.push_back(dim.size);
  if (!is_floating(input.value->tensor().dtype)) {
    at::Tensor ids = at::zeros(sizes, at::kLong);
    for (std::int64_t i = 0; i < ids.numel(); ++i) ids.view({-1}).data_ptr<std::int64_t>()[i] = i % 4;
    return ids;
  }
  at::Tensor made = noise(sizes, derive_seed(seed, input.target), 0.5);
  return input.target.find("var") == std::string::npos ? made : made.abs() + 0.5;
}

// `input` lines must have a first dimension `s0{2}`.
inline Model text_model(const std::string& body, std::uint64_t seed = 1) {
  Model model;
  model.graph = parse_graph("graph {\n" + body + "}\n");
  model.source = "text";
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind != InputKind::user) model.weights.set(input.target, random_weight(input, seed));
  }
  std::vector<const Value*> values;
  for (const Node* node : model.graph.nodes()) {
    for (const Value* value : node->outputs()) {
      if (value->is_tensor()) values.push_back(value);
    }
  }
  std::map<std::string, at::Tensor> at_two, at_three;
  for (auto [batch, found] : {std::pair{2, &at_two}, std::pair{3, &at_three}}) {
    Executor executor(model, {});
    executor.run(example_inputs(model, batch, seed), values, [&, found = found](const Value& value, const at::Tensor& tensor) { (*found)[value.name()] = tensor; });
  }
  for (const auto& [name, tensor] : at_two) {
    Value* value = model.graph.find_value(name);
    TensorType type = value->tensor();
    if (!tensor.is_floating_point()) type.dtype = tensor.scalar_type() == at::kBool ? ScalarType::boolean : ScalarType::i64;
    type.sizes.clear();
    for (std::int64_t d = 0; d < tensor.dim(); ++d) {
      std::int64_t two = tensor.size(d), three = at_three.at(name).size(d);
      std::string factor = two == 2 ? "" : std::to_string(two / 2) + "*";
      type.sizes.push_back({two, two == three ? "" : factor + "s0"});
    }
    model.graph.set_type(value, type);
  }
  return model;
}

}  // namespace dsc::test
