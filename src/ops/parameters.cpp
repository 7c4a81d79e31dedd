#include "ops/parameters.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

namespace dsc {

Value* add_parameter(Model& model, std::string name, at::Tensor tensor, const Value* like) {
  const std::string wish = name;
  for (int i = 1; model.weights.has(name); ++i) name = wish + "_" + std::to_string(i);
  TensorType type{.dtype = like->tensor().dtype, .device = like->tensor().device, .requires_grad = like->tensor().requires_grad};
  for (std::int64_t size : tensor.sizes()) type.sizes.push_back({size, ""});
  std::string value_name = "p_" + name;
  std::ranges::replace(value_name, '.', '_');
  Value* value = model.graph.add_input(InputKind::parameter, model.graph.unique_name(value_name), name, std::move(type));
  model.weights.set(name, tensor.contiguous());
  return value;
}

std::string own_parameter(const Graph& graph, const Value* value) {
  const GraphInput* input = value ? graph.find_input(value) : nullptr;
  bool own = input && input->kind == InputKind::parameter && value->uses().size() == 1;
  return own ? input->target : "";
}

}  // namespace dsc
