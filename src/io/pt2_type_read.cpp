#include "io/pt2_type_read.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "io/pt2_schema.h"

namespace dsc::pt2 {
namespace {

using Json = nlohmann::json;

// Floats that JSON cannot write are the strings "Infinity", "-Infinity" and "NaN".
double read_number(const Json& value) {
  if (!value.is_string()) return value.get<double>();
  const auto& text = value.get_ref<const std::string&>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return text.starts_with("-") ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
}

// Also of a boolean: 0 or 1.
double read_hint(const Json& value) { return value.is_boolean() ? static_cast<double>(value.get<bool>()) : read_number(value); }

const Json* find_hint(const Json& expression) {
  const auto hint = expression.find("hint");
  return hint == expression.end() || hint->is_null() ? nullptr : &only_member(*hint).second;
}

Dim read_dim(const Json& value) {
  const auto [kind, content] = only_member(value);
  if (kind == "as_int") return {content.get<std::int64_t>(), {}};
  const auto* hint = find_hint(content);
  return {hint ? hint->get<std::int64_t>() : -1, content.at("expr_str").get<std::string>()};
}

Device read_device(const Json& value) {
  Device device{value.at("type").get<std::string>(), {}};
  const auto index = value.find("index");
  if (index != value.end() && !index->is_null()) device.index = index->get<std::int64_t>();
  return device;
}

template <class T>
std::optional<Argument> optional_argument(std::optional<T> value) {
  return value ? std::optional<Argument>(*value) : std::nullopt;
}

// A symbolic number: a plain one, or a reference to a value.
Argument read_symbolic(const Json& value, const ValueNamed& value_named) {
  const auto [kind, content] = only_member(value);
  if (kind == "as_name") return value_named(content.get<std::string>());
  if (kind == "as_bool") return content.get<bool>();
  if (kind == "as_float") return read_number(content);
  return content.get<std::int64_t>();
}

IntOrValue read_int(const Json& value, const ValueNamed& value_named) {
  if (!value.is_object()) return value.get<std::int64_t>();
  const auto [kind, content] = only_member(value);
  if (kind == "as_int") return content.get<std::int64_t>();
  return value_named(content.get<std::string>());
}

std::optional<Argument> read_list(const std::string& kind, const Json& content, const ValueNamed& value_named) {
  if (kind == "as_ints" || kind == "as_sym_ints") {
    IntList list;
    for (const auto& item : content) list.push_back(read_int(item, value_named));
    return list;
  }
  if (kind == "as_tensors" || kind == "as_optional_tensors") {
    ValueList list;
    for (const auto& item : content) {
      const auto& tensor = item.contains("as_tensor") ? item.at("as_tensor") : item;
      list.push_back(tensor.contains("as_none") ? nullptr : value_named(tensor.at("name").get<std::string>()));
    }
    return list;
  }
  if (kind == "as_floats") {
    std::vector<double> list;
    for (const auto& item : content) list.push_back(read_number(item));
    return list;
  }
  if (kind == "as_bools") return content.get<std::vector<bool>>();
  if (kind == "as_strings") return content.get<std::vector<std::string>>();
  return std::nullopt;
}

}  // namespace

std::pair<std::string, const Json&> only_member(const Json& object) {
  if (!object.is_object() || object.size() != 1) throw Json::type_error::create(302, "a union with one member was expected", &object);
  return {object.begin().key(), object.begin().value()};
}

TensorType read_tensor(const Json& meta, std::vector<std::string>& odd) {
  TensorType type;
  const auto number = meta.at("dtype").get<std::int64_t>();
  const auto dtype = scalar_type(number);
  if (dtype)
    type.dtype = *dtype;
  else
    odd.push_back("has the element type number " + std::to_string(number) + ", which dscompress does not know");
  if (meta.at("layout").get<std::int64_t>() != kStrided) odd.push_back("is sparse");
  for (const auto& size : meta.at("sizes")) type.sizes.push_back(read_dim(size));
  for (const auto& stride : meta.at("strides")) type.strides.push_back(read_dim(stride));
  type.device = read_device(meta.at("device"));
  type.requires_grad = meta.at("requires_grad").get<bool>();
  return type;
}

SymbolType read_symbol(ScalarKind kind, const Json& value) {
  if (kind == ScalarKind::sym_int) return {kind, read_dim(value), {}};
  SymbolType type{kind, {-1, {}}, {}};
  const auto [member, content] = only_member(value);
  if (member != "as_expr") {
    type.hint = read_hint(content);
    return type;
  }
  type.expression.expression = content.at("expr_str").get<std::string>();
  if (const auto* hint = find_hint(content)) type.hint = read_hint(*hint);
  return type;
}

std::optional<Argument> read_argument(const Json& argument, const ValueNamed& value_named) {
  const auto [kind, content] = only_member(argument);
  if (kind == "as_none") return NoneArgument{};
  if (kind == "as_tensor") return value_named(content.at("name").get<std::string>());
  if (kind == "as_int") return content.get<std::int64_t>();
  if (kind == "as_float") return read_number(content);
  if (kind == "as_bool") return content.get<bool>();
  if (kind == "as_string") return content.get<std::string>();
  if (kind == "as_device") return read_device(content);
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") return read_symbolic(content, value_named);
  if (kind == "as_complex") return Complex{read_number(content.at("real")), read_number(content.at("imag"))};
  if (kind == "as_optional_tensor") return read_argument(content, value_named);
  if (kind == "as_scalar_type") return optional_argument(scalar_type(content.get<std::int64_t>()));
  if (kind == "as_memory_format") return optional_argument(memory_format(content.get<std::int64_t>()));
  if (kind == "as_layout") return content.get<std::int64_t>() == kStrided ? std::optional<Argument>(Layout::strided) : std::nullopt;
  return read_list(kind, content, value_named);
}

}  // namespace dsc::pt2
