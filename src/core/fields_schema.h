// JSON Schema (draft 2020-12) and documentation of structs with `fields`.
#pragma once

#include "core/tree.h"
#include "dscompress/fields.h"

namespace dsc {

// The schema of an object, as a tree for to_json. With `expressions`, "${...}" is allowed wherever a value can be
// substituted; the definition it refers to must be put below "$defs" with `expression_definition`.
struct SchemaOptions {
  bool expressions = true;
};
Tree schema_of(const std::function<void(FieldVisitor&)>& fields, const SchemaOptions& options = {});
Tree expression_definition();

// One option, for tables.
struct FieldRow {
  std::string name;      // "optimizer.sgd.lr", "augment[].random_crop.padding"
  std::string type;      // "number", "list of text", "one of l1, l2"
  std::string fallback;  // the default; empty: none; "required"
  std::string range;     // "0 to 0.95 fraction"
  std::string text;
};
std::vector<FieldRow> describe_fields(const std::function<void(FieldVisitor&)>& fields);

template <HasFields T>
std::vector<FieldRow> describe_fields(T value) {
  return describe_fields([&](FieldVisitor& visit) { value.fields(visit); });
}

std::string to_markdown(const std::vector<FieldRow>& rows);
// Aligned columns for a terminal, texts wrapped below at `width`.
std::string to_plain(const std::vector<FieldRow>& rows, int width = 100);

}  // namespace dsc
