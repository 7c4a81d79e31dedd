// Structs with `fields` as the JSON text that programs keep for themselves (stages, checkpoints, journals, reports), and back.
#pragma once

#include <string>
#include <string_view>

#include "core/fields_write.h"

namespace dsc {

// On one line.
template <HasFields T>
std::string dump_json(const T& value) {
  return to_json(write_fields(value), -1);
}

// name: what messages call the text, such as its file. errors: data, with all problems.
void parse_json(std::string_view text, const std::string& name, const std::function<void(FieldVisitor&)>& fields);

template <HasFields T>
T parse_json(std::string_view text, const std::string& name) {
  T value;
  parse_json(text, name, [&](FieldVisitor& visit) { value.fields(visit); });
  return value;
}

}  // namespace dsc
