// Reads the types and arguments of the text form.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "dscompress/graph.h"
#include "ir/text_cursor.h"

namespace dsc::text {

using Element = std::variant<NoneArgument, Value*, std::int64_t, double, bool, std::string>;
enum class ListKind { none, tensors, ints, floats, bools, strings };

class ValueParser {
 public:
  // Values are looked up in `graph`, which may grow meanwhile.
  ValueParser(Cursor& cursor, const Graph& graph) : cursor_(cursor), graph_(graph) {}

  Type parse_type();
  Argument parse_argument();
  NamedArgument parse_named_argument();  // `name=value`, `name:=value`, `value` or `:=value`

 private:
  Dim parse_dim();
  std::vector<Dim> parse_dims();
  Device parse_device();
  Value* parse_value();
  Element parse_element();
  Argument parse_list(ListKind kind);
  Argument parse_worded(std::string_view word, std::size_t begin);
  std::vector<std::string> value_names() const;

  Cursor& cursor_;
  const Graph& graph_;
};

}  // namespace dsc::text
