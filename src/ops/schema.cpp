#include "ops/schema.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <string>

namespace dsc {

const c10::FunctionSchema* find_schema(const Node& node) {
  const std::string op(node.op());
  const auto dot = op.find('.');
  if (dot == std::string::npos) return nullptr;
  std::string overload = node.target().size() > op.size() ? node.target().substr(op.size() + 1) : "";
  if (overload == "default") overload.clear();
  const auto handle = c10::Dispatcher::singleton().findSchema({op.substr(0, dot) + "::" + op.substr(dot + 1), overload});
  return handle ? &handle->schema() : nullptr;
}

}  // namespace dsc
