#include "ops/insert.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dsc {

Node* node_after(const Graph& graph, const Node* node) {
  const auto nodes = graph.nodes();
  const auto next = std::next(std::find(nodes.begin(), nodes.end(), node));
  return next == nodes.end() ? nullptr : *next;
}

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

}  // namespace dsc
