// Traces and scripts call some operators in other forms than torch.export: `_convolution` for all convolutions, `add.Scalar`
// for `add.Tensor` with a number, `to` with optional everything. Here they get the exporter's form, so that whatever reads
// the graph knows one form only. Trailing arguments at their defaults are left out, as the exporter leaves them out.
#include "io/torchscript_operators.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <set>
#include <string>

#include "dscompress/error.h"
#include "io/pt2_schema.h"

namespace dsc::torchscript {
namespace {

struct Call {
  c10::OperatorName name;
  Items arguments;  // in the order of the schema
};

bool is_none(const Item& item) {
  const auto* known = find_known(item);
  return known && known->isNone();
}

Call convolution(const Items& a) {  // input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, ...
  const auto* weight = a[1].as<TensorItem>();
  const auto* transposed = find_known(a[6]);
  if (!weight || !transposed) throw Error(ErrorCode::unsupported, "a convolution whose form is not constant");
  const std::string rank = std::to_string(weight->lanes.front().dim() - 2);
  if (transposed->toBool()) return {{"aten::conv_transpose" + rank + "d", "input"}, {a[0], a[1], a[2], a[3], a[4], a[7], a[8], a[5]}};
  return {{"aten::conv" + rank + "d", ""}, {a[0], a[1], a[2], a[3], a[4], a[5], a[8]}};
}

Call canonical(const c10::FunctionSchema& schema, const Items& arguments) {
  const std::string& name = schema.name();
  const std::string& overload = schema.overload_name();
  static const std::set<std::string> kArithmetic{"aten::add", "aten::sub", "aten::mul", "aten::div", "aten::add_", "aten::sub_", "aten::mul_", "aten::div_"};
  if (name == "aten::_convolution") return convolution(arguments);
  if (overload == "Scalar" && kArithmetic.contains(name)) return {{name, "Tensor"}, arguments};
  if (overload == "Scalar_mode" && kArithmetic.contains(name)) return {{name, "Tensor_mode"}, arguments};
  if (name == "aten::to" && overload == "prim_dtype") return {{name, "dtype"}, arguments};
  if (name == "aten::to" && overload == "prim_Device") return {{name, "dtype"}, {arguments[0], arguments[2], arguments[3], arguments[4]}};
  if (name == "prim::data") return {{"aten::detach", ""}, arguments};
  return {{name, overload}, arguments};
}

// x[i] with positions has the size of i; with a mask it depends on the mask's elements.
bool indexes_by_numbers(const Call& call) {
  if (call.name.name != "aten::index") return false;
  const auto& indices = *call.arguments.at(1).as<ListItem>()->elements;
  return std::none_of(indices.begin(), indices.end(), [](const Item& item) {
    const auto* tensor = item.as<TensorItem>();
    return tensor && (tensor->lanes.front().scalar_type() == c10::kBool || tensor->lanes.front().scalar_type() == c10::kByte);
  });
}

class Arguments {
 public:
  Arguments(GraphBuilder& builder, const Call& call) : builder_(builder), call_(call), node_name_(builder.graph().unique_name(base_name(call.name.name))) {
    for (const Item& item : call.arguments) {
      if (const auto* tensor = item.as<TensorItem>(); tensor && !tensor->value) constants_.push_back(tensor->lanes.front().unsafeGetTensorImpl());
    }
    static const std::set<std::string> kTakeNumbers{"add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_"};
    if (!kTakeNumbers.contains(base_name(call.name.name))) return;
    takes_number_ = std::any_of(call.arguments.begin(), call.arguments.end(), [](const Item& item) {
      const auto* tensor = item.as<TensorItem>();
      return tensor && tensor->lanes.front().dim() > 0 && at::isFloatingType(tensor->lanes.front().scalar_type());
    });
  }

  std::vector<NamedArgument> make(const c10::FunctionSchema& schema) {
    std::vector<NamedArgument> arguments;
    for (std::size_t i = 0; i < call_.arguments.size(); ++i) {
      const c10::Argument& formal = schema.arguments().at(i);
      arguments.push_back({formal.name(), convert(call_.arguments[i], formal.real_type(), formal.name()), formal.kwarg_only()});
    }
    drop_defaults(schema, arguments);
    return arguments;
  }

 private:
  void drop_defaults(const c10::FunctionSchema& schema, std::vector<NamedArgument>& arguments) {
    bool is_last = true;  // of the positional ones
    for (std::size_t i = arguments.size(); i-- > 0;) {
      const c10::Argument& formal = schema.arguments()[i];
      const bool is_default = formal.default_value() && convert(default_item(formal), formal.real_type(), formal.name()) == arguments[i].value;
      if (is_default && (formal.kwarg_only() || is_last)) arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
      else if (!formal.kwarg_only()) is_last = false;
    }
  }

  Item default_item(const c10::Argument& formal) { return builder_.item(*formal.default_value()); }

  [[noreturn]] void refuse(const std::string& role, const std::string& what) const {
    throw Error(ErrorCode::unsupported, "argument `" + role + "` of `" + call_.name.name + "` is " + what);
  }

  Argument convert(const Item& item, const c10::TypePtr& type, const std::string& role) {
    if (is_none(item)) return NoneArgument{};
    if (const auto* optional = type->castRaw<c10::OptionalType>()) return convert(item, optional->getElementType(), role);
    if (type->kind() == c10::TypeKind::TensorType) return tensor(item, role);
    if (const auto* list = type->castRaw<c10::ListType>()) return convert_list(item, *list, role);
    if (const auto* number = item.as<NumberItem>(); number && number->value && !number->tensor_type) return number->value;
    const auto* known = find_known(item);
    if (!known) refuse(role, "no value that is known before the model runs");
    return convert_known(*known, type->kind(), role);
  }

  Argument tensor(const Item& item, const std::string& role) {
    const auto* number = item.as<NumberItem>();
    if (is_tensor(item) && !(number && !number->value && takes_number_)) return builder_.value(item, {node_name_, role, constants_});
    const auto* known = find_known(item);
    if (!known) return builder_.value(item, {node_name_, role, constants_});
    return convert_known(*known, c10::TypeKind::NumberType, role);
  }

  Argument convert_known(const c10::IValue& value, c10::TypeKind kind, const std::string& role) {
    if (kind == c10::TypeKind::ScalarTypeType) {
      if (const auto type = pt2::from_aten(static_cast<at::ScalarType>(value.toInt()))) return *type;
      refuse(role, "an element type that is not supported");
    }
    if (kind == c10::TypeKind::LayoutType) return value.toInt() == static_cast<std::int64_t>(c10::kStrided) ? Layout::strided : Layout::other;
    if (kind == c10::TypeKind::MemoryFormatType) return memory_format(value.toInt());
    if (kind == c10::TypeKind::FloatType && value.isInt()) return static_cast<double>(value.toInt());
    if (value.isBool()) return value.toBool();
    if (value.isInt()) return value.toInt();
    if (value.isDouble()) return value.toDouble();
    if (value.isString()) return value.toStringRef();
    if (value.isComplexDouble()) return Complex{value.toComplexDouble().real(), value.toComplexDouble().imag()};
    if (value.isDevice()) {
      const c10::Device device = value.toDevice();
      return Device{c10::DeviceTypeName(device.type(), true), device.has_index() ? std::optional<std::int64_t>(device.index()) : std::nullopt};
    }
    refuse(role, "of kind " + value.tagKind());
  }

  static MemoryFormat memory_format(std::int64_t number) {
    switch (static_cast<c10::MemoryFormat>(number)) {
      case c10::MemoryFormat::Preserve: return MemoryFormat::preserve;
      case c10::MemoryFormat::ChannelsLast: return MemoryFormat::channels_last;
      case c10::MemoryFormat::ChannelsLast3d: return MemoryFormat::channels_last_3d;
      default: return MemoryFormat::contiguous;
    }
  }

  Argument convert_list(const Item& item, const c10::ListType& type, const std::string& role) {
    const auto* list = item.as<ListItem>();
    const c10::TypePtr& element_type = type.getElementType();
    if (!list) refuse(role, "no list");
    const auto kind = element_type->kind();
    if (kind == c10::TypeKind::TensorType || kind == c10::TypeKind::OptionalType) {
      ValueList values;
      for (const Item& element : *list->elements) values.push_back(is_none(element) ? nullptr : builder_.value(element, {node_name_, role, constants_}));
      return values;
    }
    if (kind == c10::TypeKind::IntType || kind == c10::TypeKind::SymIntType) {
      IntList ints;
      for (const Item& element : *list->elements) ints.push_back(int_element(element, role));
      return ints;
    }
    if (kind == c10::TypeKind::FloatType) return plain_list<double>(*list, element_type, role);
    if (kind == c10::TypeKind::BoolType) return plain_list<bool>(*list, element_type, role);
    if (kind == c10::TypeKind::StringType) return plain_list<std::string>(*list, element_type, role);
    refuse(role, "a list of " + element_type->repr_str());
  }

  IntOrValue int_element(const Item& element, const std::string& role) {
    if (const auto* number = element.as<NumberItem>(); number && number->value) return number->value;
    const auto* known = find_known(element);
    if (!known || !known->isInt()) refuse(role, "a list of something else than whole numbers");
    return known->toInt();
  }

  template <class T>
  Argument plain_list(const ListItem& list, const c10::TypePtr& element_type, const std::string& role) {
    std::vector<T> out;
    for (const Item& element : *list.elements) {
      const auto* known = find_known(element);
      if (!known) refuse(role, "a list that is not known before the model runs");
      out.push_back(std::get<T>(convert_known(*known, element_type->kind(), role)));
    }
    return out;
  }

  GraphBuilder& builder_;
  const Call& call_;
  std::string node_name_;
  std::vector<const void*> constants_;
  bool takes_number_ = false;
};

}  // namespace

Items emit_operator(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments,
                    const std::vector<std::vector<c10::IValue>>& results) {
  const bool only_moves = schema.name() == "aten::to" && schema.overload_name().starts_with("prim_") &&
                          (schema.overload_name() == "prim_other" || is_none(arguments[schema.overload_name() == "prim_Device" ? 2 : 1]));
  if (only_moves) return {arguments[0]};  // all is on one device
  const Call call = canonical(schema, arguments);
  const auto op = c10::Dispatcher::singleton().findSchema(call.name);
  if (!op) throw Error(ErrorCode::unsupported, "operator `" + call.name.name + (call.name.overload_name.empty() ? "" : "." + call.name.overload_name) + "`");
  if (op->hasTag(at::Tag::dynamic_output_shape) && !indexes_by_numbers(call))
    throw Error(ErrorCode::unsupported, "operator `" + call.name.name + "`: the size of its result depends on data", {}, "write the model without it");
  auto named = Arguments(builder, call).make(op->schema());
  const std::string base = base_name(call.name.name);
  const std::string space = call.name.name.substr(0, call.name.name.find("::"));
  return builder.operator_node(space + "." + base + "." + (call.name.overload_name.empty() ? "default" : call.name.overload_name), base,
                               std::move(named), results);
}

}  // namespace dsc::torchscript
