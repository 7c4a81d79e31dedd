#include "ops/arguments.h"

#include <utility>
#include <variant>

namespace dsc {

bool is_given(const Node& node, std::string_view name) {
  const Argument* argument = node.find_argument(name);
  return argument && !std::holds_alternative<NoneArgument>(*argument);
}

std::int64_t int_or(const Node& node, std::string_view name, std::int64_t otherwise) {
  const Argument* argument = node.find_argument(name);
  if (!argument) return otherwise;
  if (const auto* value = std::get_if<std::int64_t>(argument)) return *value;
  return otherwise;
}

bool bool_or(const Node& node, std::string_view name, bool otherwise) {
  const Argument* argument = node.find_argument(name);
  if (!argument) return otherwise;
  if (const auto* value = std::get_if<bool>(argument)) return *value;
  return otherwise;
}

std::optional<double> number_of(const Argument& argument) {
  if (const auto* number = std::get_if<double>(&argument)) return *number;
  if (const auto* whole = std::get_if<std::int64_t>(&argument)) return static_cast<double>(*whole);
  return std::nullopt;
}

std::optional<double> number_of(const Node& node, std::string_view name) {
  const Argument* argument = node.find_argument(name);
  return argument ? number_of(*argument) : std::nullopt;
}

std::string text_or(const Node& node, std::string_view name, std::string_view otherwise) {
  const Argument* argument = node.find_argument(name);
  const auto* text = argument ? std::get_if<std::string>(argument) : nullptr;
  return text ? *text : std::string(otherwise);
}

IntList int_list(const Node& node, std::string_view name) {
  const Argument* argument = node.find_argument(name);
  if (!argument) return {};
  if (const auto* list = std::get_if<IntList>(argument)) return *list;
  if (const auto* value = std::get_if<std::int64_t>(argument)) return {*value};
  if (const auto* symbol = std::get_if<Value*>(argument)) return {*symbol};
  return {};
}

std::vector<std::int64_t> ints_or(const Node& node, std::string_view name, std::vector<std::int64_t> otherwise) {
  IntList list = int_list(node, name);
  if (list.empty()) return otherwise;
  std::vector<std::int64_t> result;
  for (const IntOrValue& entry : list) {
    const auto* value = std::get_if<std::int64_t>(&entry);
    result.push_back(value ? *value : -1);
  }
  return result;
}

std::int64_t normal_dim(std::int64_t dim, std::int64_t rank) { return dim < 0 ? dim + rank : dim; }

std::int64_t dim_or(const Node& node, std::string_view name, std::int64_t otherwise, std::int64_t rank) {
  return normal_dim(int_or(node, name, otherwise), rank);
}

std::vector<std::int64_t> dims_or(const Node& node, std::string_view name, std::vector<std::int64_t> otherwise,
                                  std::int64_t rank) {
  std::vector<std::int64_t> dims = ints_or(node, name, std::move(otherwise));
  for (std::int64_t& dim : dims) dim = normal_dim(dim, rank);
  return dims;
}

Value* value_of(const Use& use) {
  const Argument& argument = use.node->arguments()[use.argument].value;
  const auto* list = std::get_if<ValueList>(&argument);
  return list ? list->at(use.element) : std::get<Value*>(argument);
}

std::vector<Value*> tensor_arguments(const Node& node) {
  std::vector<Value*> tensors;
  for (const NamedArgument& argument : node.arguments()) {
    for (Value* value : values_of(argument.value)) {
      if (value->is_tensor()) tensors.push_back(value);
    }
  }
  return tensors;
}

const Value* self_of(const Node& node) { return tensor_arguments(node).at(0); }

std::string_view plain_op(const Node& node) {
  std::string_view op = node.op();
  // __and__ and the like are not in-place operators.
  if (op.size() > 2 && op.back() == '_' && op[op.size() - 2] != '_') op.remove_suffix(1);
  return op;
}

std::string place_of(const Node& node) { return node.module_path().empty() ? node.name() : node.module_path(); }

}  // namespace dsc
