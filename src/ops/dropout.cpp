#include "ops/dropout.h"

#include "ops/op_traits.h"

namespace dsc {

bool is_dropout(const Node& node) { return traits_in_any_form(node).is_dropout; }

std::int64_t remove_dropout(Graph& graph, const std::function<bool(const Node&)>& select) {
  std::int64_t removed = 0;
  for (Node* node : graph.nodes()) {
    if (!is_dropout(*node) || (select && !select(*node))) continue;
    graph.replace_uses(node->output(), node->find_value("input"));
    graph.erase(node);
    ++removed;
  }
  return removed;
}

}  // namespace dsc
