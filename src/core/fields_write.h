// Structs with `fields` as a Tree, every default written out: the resolved recipe.
#pragma once

#include <string_view>

#include "core/tree.h"
#include "dscompress/fields.h"

namespace dsc {

Tree write_fields(const std::function<void(FieldVisitor&)>& fields);
Tree write_value(const std::function<void(ValueVisitor&)>& value);

template <HasFields T>
Tree write_fields(const T& value) {
  auto copy = value;  // visitors may change what they visit; this one does not
  return write_fields([&](FieldVisitor& visit) { copy.fields(visit); });
}

// Text that parses back into an equal struct.
template <HasFields T>
std::string dump_yaml(const T& value) {
  return to_yaml(write_fields(value));
}

// The name of a choice; `true` and `false` are the values.
Tree choice_tree(std::string_view name);

// "0.5pp"
std::string quantity_text(const Quantity& quantity);

}  // namespace dsc
