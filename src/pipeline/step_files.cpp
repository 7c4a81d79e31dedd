#include "pipeline/step_files.h"

namespace dsc {
namespace {

// Walks through all values and collects the paths that are set.
class PathCollector final : public ValueVisitor, public FieldVisitor {
 public:
  std::vector<std::string> paths;

  void path(FilePath& value) override {
    if (!value.empty()) paths.push_back(value.path);
  }
  void object(const std::function<void(FieldVisitor&)>& fields) override { fields(*this); }
  void list(ListAccess access) override {
    for (std::size_t i = 0; i < access.size; ++i) access.element(i, *this);
  }
  void map(MapAccess access) override {
    for (const auto& key : access.keys) access.value(key, *this);
  }
  void optional(OptionalAccess access) override {
    if (access.has_value) access.value(*this);
  }
  void variant(VariantAccess access) override {
    if (access.current) access.fields(*this);
  }
  void boolean(bool&) override {}
  void integer(std::int64_t&) override {}
  void number(double&) override {}
  void text(std::string&) override {}
  void quantity(Quantity&) override {}
  void choice(std::span<const std::string_view>, std::size_t&) override {}

  void field(std::string_view, const Doc&, const std::function<void(ValueVisitor&)>& value) override { value(*this); }
  void check(std::string) override {}
};

}  // namespace

std::vector<std::string> files_of(const PassStep& step) {
  PathCollector collector;
  step.info->fields(step.options.get(), collector);
  return collector.paths;
}

}  // namespace dsc
