// Reads structs with `fields` from a Tree, strictly: unknown keys, wrong types, units and ranges, missing values. All
// independent problems are collected; one cause gives one problem.
#pragma once

#include "core/tree.h"
#include "dscompress/fields.h"

namespace dsc {

void parse_fields(const Tree& tree, const std::function<void(FieldVisitor&)>& fields, std::vector<Problem>& problems);

template <HasFields T>
void parse_fields(const Tree& tree, T& value, std::vector<Problem>& problems) {
  parse_fields(
      tree, [&](FieldVisitor& visit) { value.fields(visit); }, problems);
}

// Sorts by place and throws them all, unless there are none. errors: recipe.
void throw_problems(std::vector<Problem> problems);

}  // namespace dsc
