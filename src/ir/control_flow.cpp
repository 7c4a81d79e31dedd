#include "ir/control_flow.h"

#include <string>

#include "dscompress/error.h"
#include "ir/text.h"

namespace dsc {

bool is_control_flow(const Node& node) { return node.is("higher_order.cond"); }

std::vector<Graph> read_branches(const Node& node) {
  std::vector<Graph> branches;
  for (const NamedArgument& argument : node.arguments()) {
    if (const auto* text = std::get_if<std::string>(&argument.value)) branches.push_back(parse_graph(*text, "branch " + argument.name));
  }
  const auto& arguments = node.arguments();
  const bool is_whole = arguments.size() == 4 && branches.size() == 2 && std::holds_alternative<ValueList>(arguments.back().value);
  if (is_whole) return branches;
  throw Error(ErrorCode::internal, "`" + node.target() + "` takes a condition, two branches and a list of operands", {.pointer = "%" + node.name()});
}

}  // namespace dsc
