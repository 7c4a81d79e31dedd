// Tables of options, for `passes describe` and the README.
#include <algorithm>

#include "core/fields_schema.h"
#include "core/fields_write.h"

namespace dsc {
namespace {

std::vector<FieldRow> rows_below(const std::string& prefix, const std::function<void(FieldVisitor&)>& fields) {
  auto rows = describe_fields(fields);
  for (auto& row : rows) row.name = prefix + "." + row.name;
  return rows;
}

// A value's type in words, and the rows of what is inside.
class TypeDescriber final : public ValueVisitor {
 public:
  TypeDescriber(const Doc& doc, std::string name) : doc_(doc), name_(std::move(name)) {}
  std::string type;
  std::vector<FieldRow> inside;

  void boolean(bool&) override { type = "true or false"; }
  void integer(std::int64_t&) override { type = "whole number"; }
  void number(double&) override { type = "number"; }
  void text(std::string&) override { type = "text"; }
  void path(FilePath&) override { type = "path"; }
  void quantity(Quantity&) override {
    std::string units;
    for (const auto& unit : doc_.units) {
      if (!unit.empty()) units += (units.empty() ? "" : ", ") + unit;
    }
    type = units.empty() ? "number" : "number with unit (" + units + ")";
  }
  void choice(std::span<const std::string_view> names, std::size_t&) override {
    for (const auto name : names) type += (type.empty() ? "one of " : ", ") + std::string(name);
  }
  void object(const std::function<void(FieldVisitor&)>& fields) override {
    type = "mapping";
    inside = rows_below(name_, fields);
  }
  void list(ListAccess access) override {
    name_ += "[]";
    access.prototype(*this);
    type = "list of " + type;
  }
  void map(MapAccess access) override {
    name_ += ".<name>";
    access.prototype(*this);
    type = "mapping of names to " + type;
  }
  void optional(OptionalAccess access) override {
    if (access.has_value)
      access.value(*this);
    else
      access.prototype(*this);
  }
  void variant(VariantAccess access) override {
    for (std::size_t i = 0; i < access.alternatives.size(); ++i) {
      const auto& alternative = access.alternatives[i];
      type += (i ? ", " : "one of ") + alternative.name;
      const auto rows = rows_below(name_ + "." + alternative.name, access.current == i ? access.fields : alternative.prototype);
      inside.insert(inside.end(), rows.begin(), rows.end());
    }
  }

 private:
  const Doc& doc_;
  std::string name_;
};

std::string range_of(const Doc& doc) {
  std::string range;
  if (doc.minimum && doc.maximum)
    range = number_text(*doc.minimum) + " to " + number_text(*doc.maximum);
  else if (doc.minimum)
    range = "at least " + number_text(*doc.minimum);
  else if (doc.maximum)
    range = "at most " + number_text(*doc.maximum);
  if (!doc.unit.empty()) range += (range.empty() ? "" : " ") + doc.unit;
  return range;
}

std::string default_of(const Tree& value) {
  if (value.kind == Tree::Kind::scalar) return is_null(value) ? "none" : value.text.empty() ? "" : value.text;
  if (value.kind == Tree::Kind::map) return value.entries.empty() ? "" : value.entries.front().key;  // of a variant: its name
  return to_json(value, -1);
}

class RowMaker final : public FieldVisitor {
 public:
  std::vector<FieldRow> rows;

  void field(std::string_view name, const Doc& doc, const std::function<void(ValueVisitor&)>& value) override {
    TypeDescriber describer(doc, std::string(name));
    value(describer);
    const bool mapping = describer.type == "mapping";
    const auto fallback = doc.required ? "required" : mapping ? "" : default_of(write_value(value));
    rows.push_back({std::string(name), describer.type, fallback, range_of(doc), doc.text});
    rows.insert(rows.end(), describer.inside.begin(), describer.inside.end());
  }
  void check(std::string) override {}
};

std::string escape_cell(std::string text) {
  for (std::size_t i = 0; (i = text.find('|', i)) != std::string::npos; i += 2) text.insert(i, "\\");
  return text;
}

void append_wrapped(const std::string& text, std::size_t indent, std::size_t width, std::string& out) {
  std::size_t column = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(' ', begin), text.size());
    if (column == 0 || column + 1 + end - begin > width) {
      out += (column ? "\n" : "") + std::string(indent, ' ');
      column = indent;
    } else {
      out += " ";
      ++column;
    }
    out += text.substr(begin, end - begin);
    column += end - begin;
    begin = end + 1;
  }
  if (column) out += "\n";
}

}  // namespace

std::vector<FieldRow> describe_fields(const std::function<void(FieldVisitor&)>& fields) {
  RowMaker maker;
  fields(maker);
  return std::move(maker.rows);
}

std::string to_markdown(const std::vector<FieldRow>& rows) {
  std::string out = "| option | type | default | range | meaning |\n|---|---|---|---|---|\n";
  for (const auto& row : rows) {
    const auto fallback = row.fallback.empty() || row.fallback == "required" || row.fallback == "none" ? row.fallback : "`" + row.fallback + "`";
    out += "| `" + row.name + "` | " + escape_cell(row.type) + " | " + escape_cell(fallback) + " | " + row.range + " | ";
    out += escape_cell(row.text) + " |\n";
  }
  return out;
}

std::string to_plain(const std::vector<FieldRow>& rows, int width) {
  std::string out;
  for (const auto& row : rows) {
    out += row.name + "  (" + row.type;
    if (!row.range.empty()) out += ", " + row.range;
    if (row.fallback == "required")
      out += ", required";
    else if (!row.fallback.empty())
      out += ", default " + row.fallback;
    out += ")\n";
    append_wrapped(row.text, 4, static_cast<std::size_t>(width), out);
  }
  return out;
}

}  // namespace dsc
