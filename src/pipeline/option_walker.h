// Goes through every value of an options struct, whatever it is nested in, and leaves all of them as they are: walkers derived
// from it say what they do at the kind of value they look for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "dscompress/fields.h"

namespace dsc {

class OptionWalker : public ValueVisitor, public FieldVisitor {
 public:
  void field(std::string_view, const Doc&, const std::function<void(ValueVisitor&)>& value) override { value(*this); }
  void check(std::string) override {}

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
  void path(FilePath&) override {}
  void quantity(Quantity&) override {}
  void choice(std::span<const std::string_view>, std::size_t&) override {}
};

}  // namespace dsc
