#include "ir/schema.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace dsc {

c10::OperatorName operator_name(const std::string& target) {
  const std::size_t dot = target.find('.');
  if (dot == std::string::npos) return {target, ""};
  const std::size_t end = target.find('.', dot + 1);
  const std::string overload = end == std::string::npos ? "" : target.substr(end + 1);
  return {target.substr(0, dot) + "::" + target.substr(dot + 1, end == std::string::npos ? end : end - dot - 1),
          overload == "default" ? "" : overload};
}

const c10::FunctionSchema* find_schema(const std::string& target) {
  const auto handle = c10::Dispatcher::singleton().findSchema(operator_name(target));
  return handle ? &handle->schema() : nullptr;
}

}  // namespace dsc
