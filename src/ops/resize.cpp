#include "ops/resize.h"

#include <algorithm>
#include <utility>

#include "dscompress/error.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

bool is_minus_one(const IntOrValue& entry) {
  const auto* value = std::get_if<std::int64_t>(&entry);
  return value && *value == -1;
}

// symbol * new / old, computed in the graph; exact, because the dimension holds `old` as a factor.
Value* scaled_symbol(Resizer& resizer, Node& node, Value* symbol, std::int64_t from, std::int64_t to) {
  SymbolType type = std::get<SymbolType>(symbol->type());
  auto make = [&](std::string target, Value* value, std::int64_t operand, std::string expression, std::int64_t hint) {
    SymbolType made{ScalarKind::sym_int, Dim{hint, std::move(expression)}};
    Node* inserted = resizer.graph().insert(&node, std::move(target), {{"", value}, {"", operand}}, {{symbol->name() + "_resized", made}});
    return inserted->output();
  };
  std::int64_t hint = type.expression.size;
  Value* product = make("_operator.mul", symbol, to, std::to_string(to) + "*(" + type.expression.expression + ")", hint * to);
  std::string quotient = "((" + std::to_string(to) + "*(" + type.expression.expression + "))//" + std::to_string(from) + ")";
  return make("_operator.floordiv", product, from, std::move(quotient), hint * to / from);
}

}  // namespace

void resize_list(Resizer& resizer, Node& node, std::string_view argument, const Value* output) {
  IntList list = int_list(node, argument);
  bool changed = false;
  for (std::size_t d = 0; d < list.size(); ++d) {
    auto dim = static_cast<std::int64_t>(d);
    if (is_minus_one(list[d]) || !resizer.is_changed(output, dim)) continue;
    changed = true;
    if (std::holds_alternative<std::int64_t>(list[d])) {
      list[d] = resizer.new_size(output, dim);
    } else if (std::ranges::none_of(list, is_minus_one) && node.op() != "aten.expand") {
      list[d] = std::int64_t{-1};
    } else {
      list[d] = scaled_symbol(resizer, node, std::get<Value*>(list[d]), resizer.old_size(output, dim), resizer.new_size(output, dim));
    }
  }
  if (changed) resizer.graph().set_argument(&node, argument, std::move(list));
}

}  // namespace dsc
