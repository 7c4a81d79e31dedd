#include "core/fields_write.h"

namespace dsc {
namespace {

class ValueWriter final : public ValueVisitor {
 public:
  Tree tree;

  void boolean(bool& value) override { tree = plain_tree(value ? "true" : "false"); }
  void integer(std::int64_t& value) override { tree = plain_tree(std::to_string(value)); }
  void number(double& value) override { tree = number_tree(value); }
  void text(std::string& value) override { tree = text_tree(value); }
  void path(FilePath& value) override { tree = text_tree(value.path); }
  void quantity(Quantity& value) override { tree = value.unit.empty() ? number_tree(value.value) : text_tree(quantity_text(value)); }
  void choice(std::span<const std::string_view> names, std::size_t& index) override { tree = choice_tree(names[index]); }
  void object(const std::function<void(FieldVisitor&)>& fields) override { tree = write_fields(fields); }
  void list(ListAccess access) override {
    std::vector<Tree> items;
    for (std::size_t i = 0; i < access.size; ++i) items.push_back(write_value([&](ValueVisitor& visit) { access.element(i, visit); }));
    tree = list_tree(std::move(items));
  }
  void map(MapAccess access) override {
    tree = map_tree();
    for (const auto& key : access.keys) tree.add(key, write_value([&](ValueVisitor& visit) { access.value(key, visit); }));
  }
  void optional(OptionalAccess access) override {
    if (access.has_value)
      access.value(*this);
    else
      tree = plain_tree("null");
  }
  void variant(VariantAccess access) override {
    if (!access.current) {
      tree = plain_tree("null");
      return;
    }
    const auto& name = access.alternatives[*access.current].name;
    auto options = write_fields(access.fields);
    tree = options.entries.empty() ? text_tree(name) : map_tree({{name, std::move(options)}});
  }
};

class FieldWriter final : public FieldVisitor {
 public:
  Tree tree = map_tree();

  void field(std::string_view name, const Doc& doc, const std::function<void(ValueVisitor&)>& value) override {
    Tree written = write_value(value);
    const bool is_empty = written.kind == Tree::Kind::scalar && written.text.empty();
    if (!doc.only_if_given || !is_empty) tree.add(std::string(name), std::move(written));
  }
  void check(std::string) override {}
};

}  // namespace

Tree write_fields(const std::function<void(FieldVisitor&)>& fields) {
  FieldWriter writer;
  fields(writer);
  return std::move(writer.tree);
}

Tree write_value(const std::function<void(ValueVisitor&)>& value) {
  ValueWriter writer;
  value(writer);
  return std::move(writer.tree);
}

Tree choice_tree(std::string_view name) {
  const bool is_boolean = name == "true" || name == "false";
  return is_boolean ? plain_tree(std::string(name)) : text_tree(std::string(name));
}

std::string quantity_text(const Quantity& quantity) { return number_text(quantity.value) + quantity.unit; }

}  // namespace dsc
