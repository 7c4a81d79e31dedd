#include "io/pt2_type_write.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "io/pt2_schema.h"

namespace dsc::pt2 {
namespace {

using Json = nlohmann::json;

// JSON has no infinities; the exporter writes them as these strings.
Json number_json(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return number;
}

Json device_json(const Device& device) { return {{"type", device.type}, {"index", device.index ? Json(*device.index) : Json(nullptr)}}; }

std::string factor(const Dim& dim) { return dim.is_fixed() ? "Integer(" + std::to_string(dim.size) + ")" : dim.expression; }

Dim product(const Dim& a, const Dim& b) {
  if (a.is_fixed() && b.is_fixed()) return {a.size * b.size, {}};
  if (a.is_fixed() && a.size == 1) return b;
  if (b.is_fixed() && b.size == 1) return a;
  return {a.size < 0 || b.size < 0 ? -1 : a.size * b.size, "Mul(" + factor(a) + ", " + factor(b) + ")"};
}

std::vector<Dim> contiguous_strides(const std::vector<Dim>& sizes) {
  std::vector<Dim> strides(sizes.size());
  Dim stride{1, {}};
  for (auto i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    const bool is_empty = sizes[i].is_fixed() && sizes[i].size == 0;
    if (!is_empty) stride = product(stride, sizes[i]);
  }
  return strides;
}

Json expression_json(const std::string& expression, Json hint, std::set<std::string>& expressions) {
  expressions.insert(expression);
  return {{"as_expr", {{"expr_str", expression}, {"hint", std::move(hint)}}}};
}

struct ArgumentWriter {
  const NameOf& name_of;

  Json operator()(const NoneArgument&) const { return {{"as_none", true}}; }
  Json operator()(Value* value) const { return value ? reference_json(value, name_of) : Json{{"as_none", true}}; }
  Json operator()(std::int64_t value) const { return {{"as_int", value}}; }
  Json operator()(double value) const { return {{"as_float", number_json(value)}}; }
  Json operator()(bool value) const { return {{"as_bool", value}}; }
  Json operator()(const std::string& value) const { return {{"as_string", value}}; }
  Json operator()(const std::vector<bool>& list) const { return {{"as_bools", list}}; }
  Json operator()(const std::vector<std::string>& list) const { return {{"as_strings", list}}; }
  Json operator()(ScalarType type) const { return {{"as_scalar_type", number_of(type)}}; }
  Json operator()(MemoryFormat format) const { return {{"as_memory_format", number_of(format)}}; }
  Json operator()(Layout) const { return {{"as_layout", kStrided}}; }
  Json operator()(const Device& device) const { return {{"as_device", device_json(device)}}; }
  Json operator()(const Complex& value) const {
    return {{"as_complex", {{"real", number_json(value.real)}, {"imag", number_json(value.imaginary)}}}};
  }
  Json operator()(const std::vector<double>& list) const {
    auto numbers = Json::array();
    for (const auto number : list) numbers.push_back(number_json(number));
    return {{"as_floats", std::move(numbers)}};
  }
  Json operator()(const ValueList& list) const {
    const bool has_none = std::find(list.begin(), list.end(), nullptr) != list.end();
    auto tensors = Json::array();
    for (const auto* value : list) {
      Json name = value ? Json{{"name", name_of(value)}} : Json(true);
      tensors.push_back(has_none ? Json{{value ? "as_tensor" : "as_none", std::move(name)}} : std::move(name));
    }
    return {{has_none ? "as_optional_tensors" : "as_tensors", std::move(tensors)}};
  }
  Json operator()(const IntList& list) const {
    const bool is_symbolic = std::any_of(list.begin(), list.end(), [](const auto& item) { return std::holds_alternative<Value*>(item); });
    auto numbers = Json::array();
    for (const auto& item : list) {
      if (const auto* value = std::get_if<Value*>(&item))
        numbers.push_back({{"as_name", name_of(*value)}});
      else if (is_symbolic)
        numbers.push_back({{"as_int", std::get<std::int64_t>(item)}});
      else
        numbers.push_back(std::get<std::int64_t>(item));
    }
    return {{is_symbolic ? "as_sym_ints" : "as_ints", std::move(numbers)}};
  }
};

}  // namespace

Json dim_json(const Dim& dim, std::set<std::string>& expressions) {
  if (dim.is_fixed()) return {{"as_int", dim.size}};
  return expression_json(dim.expression, dim.size < 0 ? Json(nullptr) : Json{{"as_int", dim.size}}, expressions);
}

Json tensor_json(const TensorType& type, std::set<std::string>& expressions) {
  const auto dims = [&](const std::vector<Dim>& list) {
    auto written = Json::array();
    for (const auto& dim : list) written.push_back(dim_json(dim, expressions));
    return written;
  };
  const bool has_strides = type.strides.size() == type.sizes.size();
  const bool is_complex = type.dtype == ScalarType::c32 || type.dtype == ScalarType::c64 || type.dtype == ScalarType::c128;
  return {{"dtype", number_of(type.dtype)},
          {"sizes", dims(type.sizes)},
          {"requires_grad", type.requires_grad && (is_floating(type.dtype) || is_complex)},  // autograd refuses integers
          {"device", device_json(type.device)},
          {"strides", dims(has_strides ? type.strides : contiguous_strides(type.sizes))},
          {"storage_offset", {{"as_int", 0}}},
          {"layout", kStrided}};
}

Json symbol_json(const SymbolType& type, std::set<std::string>& expressions) {
  if (type.kind == ScalarKind::sym_int) return dim_json(type.expression, expressions);
  const bool is_float = type.kind == ScalarKind::sym_float;
  const Json hint = !type.hint ? Json(nullptr) : is_float ? number_json(*type.hint) : Json(*type.hint != 0);
  if (type.expression.is_fixed()) return {{is_float ? "as_float" : "as_bool", hint}};
  const Json tagged = hint.is_null() ? hint : Json{{is_float ? "as_float" : "as_bool", hint}};
  return expression_json(type.expression.expression, tagged, expressions);
}

Json reference_json(const Value* value, const NameOf& name_of) {
  if (value->is_tensor()) return {{"as_tensor", {{"name", name_of(value)}}}};
  const auto kind = std::get<SymbolType>(value->type()).kind;
  const char* member = kind == ScalarKind::sym_int ? "as_sym_int" : kind == ScalarKind::sym_float ? "as_sym_float" : "as_sym_bool";
  return {{member, {{"as_name", name_of(value)}}}};
}

Json argument_json(const Argument& argument, const NameOf& name_of) { return std::visit(ArgumentWriter{name_of}, argument); }

}  // namespace dsc::pt2
