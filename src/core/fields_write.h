// Structs with `fields` as a Tree, every default written out: the resolved recipe.
#pragma once

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

// "0.5pp"
std::string quantity_text(const Quantity& quantity);

}  // namespace dsc
