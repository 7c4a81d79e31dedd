#include <algorithm>
#include <regex>

#include "core/fields_schema.h"
#include "core/fields_write.h"

namespace dsc {
namespace {

Tree type_schema(const std::string& type) { return map_tree({{"type", text_tree(type)}}); }

std::string escape_pattern(const std::string& text) {
  static const std::regex special(R"([.^$|()\[\]{}*+?\\/])");
  return std::regex_replace(text, special, R"(\$&)");
}

class SchemaMaker final : public ValueVisitor {
 public:
  SchemaMaker(const Doc& doc, const SchemaOptions& options) : doc_(doc), options_(options) {}
  Tree schema;

  void boolean(bool&) override { set(type_schema("boolean")); }
  void integer(std::int64_t&) override { set(ranged("integer")); }
  void number(double&) override { set(ranged("number")); }
  void text(std::string&) override {
    schema = type_schema("string");
    if (doc_.required) schema.add("minLength", plain_tree("1"));
  }
  void path(FilePath&) override { schema = type_schema("string"); }
  void quantity(Quantity&) override {
    std::string units;
    for (const auto& unit : doc_.units) units += (units.empty() ? "" : "|") + escape_pattern(unit);
    auto text = type_schema("string");
    text.add("pattern", text_tree(R"(^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)? *()" + units + ")$"));
    set_any({ranged("number"), std::move(text)});
  }
  void choice(std::span<const std::string_view> names, std::size_t&) override {
    auto values = list_tree();
    for (const auto name : names) values.items.push_back(choice_tree(name));
    set(map_tree({{"enum", std::move(values)}}));
  }
  void object(const std::function<void(FieldVisitor&)>& fields) override { set(schema_of(fields, options_)); }
  void list(ListAccess access) override { set(map_tree({{"type", text_tree("array")}, {"items", inner(access.prototype)}})); }
  void map(MapAccess access) override { set(map_tree({{"type", text_tree("object")}, {"additionalProperties", inner(access.prototype)}})); }
  void optional(OptionalAccess access) override { set_any({inner(access.has_value ? access.value : access.prototype), type_schema("null")}, false); }
  void variant(VariantAccess access) override;

 private:
  Tree ranged(const std::string& type) const {
    auto made = type_schema(type);
    if (doc_.minimum) made.add("minimum", number_tree(*doc_.minimum));
    if (doc_.maximum) made.add("maximum", number_tree(*doc_.maximum));
    return made;
  }
  Tree inner(const std::function<void(ValueVisitor&)>& value) const {
    SchemaMaker maker(doc_, options_);
    value(maker);
    return std::move(maker.schema);
  }
  void set(Tree made) {
    if (options_.expressions)
      set_any({std::move(made)});
    else
      schema = std::move(made);
  }
  void set_any(std::vector<Tree> alternatives, bool expression = true) {
    if (options_.expressions && expression) alternatives.push_back(map_tree({{"$ref", text_tree("#/$defs/expression")}}));
    schema = map_tree({{"anyOf", list_tree(std::move(alternatives))}});
  }

  const Doc& doc_;
  const SchemaOptions& options_;
};

void SchemaMaker::variant(VariantAccess access) {
  std::vector<Tree> alternatives;
  for (std::size_t i = 0; i < access.alternatives.size(); ++i) {
    const auto& [name, text, prototype] = access.alternatives[i];
    auto options = schema_of(access.current == i ? access.fields : prototype, options_);
    const bool optional = !options.find("required");
    if (optional) {
      auto name_only = map_tree({{"const", text_tree(name)}});
      if (!text.empty()) name_only.add("description", text_tree(text));
      alternatives.push_back(std::move(name_only));
      options = map_tree({{"anyOf", list_tree({std::move(options), type_schema("null")})}});
    }
    if (!text.empty()) options.add("description", text_tree(text));
    alternatives.push_back(map_tree({{"type", text_tree("object")},
                                     {"properties", map_tree({{name, std::move(options)}})},
                                     {"required", list_tree({text_tree(name)})},
                                     {"additionalProperties", plain_tree("false")}}));
  }
  auto one = map_tree({{"oneOf", list_tree(std::move(alternatives))}});
  set(std::move(one));
}

class ObjectSchema final : public FieldVisitor {
 public:
  explicit ObjectSchema(const SchemaOptions& options) : options_(options) {}

  void field(std::string_view name, const Doc& doc, const std::function<void(ValueVisitor&)>& value) override {
    SchemaMaker maker(doc, options_);
    value(maker);
    auto made = map_tree();
    const auto unit = doc.unit.empty() ? "" : " [" + doc.unit + "]";
    if (!doc.text.empty()) made.add("description", text_tree(doc.text + unit));
    for (auto& entry : maker.schema.entries) made.entries.push_back(std::move(entry));
    if (doc.required) {
      required_.items.push_back(text_tree(std::string(name)));
    } else if (auto fallback = write_value(value); fallback.kind != Tree::Kind::map) {  // a mapping's keys have their own
      made.add("default", std::move(fallback));
    }
    properties_.add(std::string(name), std::move(made));
  }
  void check(std::string) override {}
  Tree take() {
    auto made = map_tree({{"type", text_tree("object")}, {"properties", std::move(properties_)}});
    if (!required_.items.empty()) made.add("required", std::move(required_));
    made.add("additionalProperties", plain_tree("false"));
    return made;
  }

 private:
  const SchemaOptions& options_;
  Tree properties_ = map_tree();
  Tree required_ = list_tree();
};

}  // namespace

Tree schema_of(const std::function<void(FieldVisitor&)>& fields, const SchemaOptions& options) {
  ObjectSchema object(options);
  fields(object);
  return object.take();
}

Tree expression_definition() {
  return map_tree({{"description", text_tree("A variable, an environment variable or arithmetic: ${cut}, ${env:NAME:-default}, ${cut * 2}.")},
                   {"type", text_tree("string")},
                   {"pattern", text_tree(R"(\$\{.+\})")}});
}

}  // namespace dsc
