#include "ops/dropout.h"

#include <set>
#include <string_view>

#include "ops/arguments.h"

namespace dsc {

bool is_dropout(const Node& node) {
  static const std::set<std::string_view> kDropoutOps = {"aten.dropout", "aten.feature_dropout", "aten.alpha_dropout", "aten.feature_alpha_dropout"};
  return kDropoutOps.contains(plain_op(node));
}

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
