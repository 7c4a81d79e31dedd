#include "passes/restructure/rewrite.h"

#include <algorithm>
#include <utility>

#include "core/names.h"
#include "exec/executor.h"

namespace dsc::restructure {

Value* Inserter::tensor(std::string target, std::vector<NamedArgument> arguments, ScalarType dtype) {
  const std::string name = target.substr(5, target.rfind('.') - 5);
  Node* node = graph_.insert(at_, std::move(target), std::move(arguments), {{name, TensorType{.dtype = dtype}}});
  graph_.copy_origin(node, at_);
  return node->output();
}

Value* Inserter::size(Value* of, std::int64_t dim) {
  const Dim& known = of->tensor().sizes.at(static_cast<std::size_t>(dim));
  Node* node = graph_.insert(at_, "aten.sym_size.int", {{"self", of}, {"dim", dim}}, {{"sym_size", SymbolType{.expression = known}}});
  graph_.copy_origin(node, at_);
  return node->output();
}

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

std::string place_of(const Node& node) { return node.module_path().empty() ? node.name() : node.module_path(); }

bool is_selected(const std::string& place, const std::vector<std::string>& only, const std::vector<std::string>& skip) {
  auto matches = [&](const std::string& glob) { return matches_glob(glob, place); };
  return (only.empty() || std::ranges::any_of(only, matches)) && std::ranges::none_of(skip, matches);
}

std::vector<Problem> check_patterns(const std::vector<std::string>& patterns, const std::string& option, const std::vector<std::string>& places) {
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (std::ranges::any_of(places, [&](const std::string& place) { return matches_glob(patterns[i], place); })) continue;
    problems.push_back({"`" + patterns[i] + "` matches nothing that this pass can change", {.pointer = "/" + option + "/" + std::to_string(i)}, suggest(patterns[i], places)});
  }
  return problems;
}

void refresh(Model& model) { refresh_types(model, example_inputs(model, 0, 1)); }

}  // namespace dsc::restructure
