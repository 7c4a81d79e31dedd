#include "exec/arguments.h"

#include <ATen/ScalarOps.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/jit_type.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <utility>

#include "dscompress/error.h"
#include "exec/convert.h"

namespace dsc {
namespace {

using c10::IValue;
using c10::TypeKind;
using c10::TypePtr;

// A Python number where a tensor is expected takes part in type promotion as a number: a "wrapped" 0-dim tensor.
IValue wrapped_tensor(const c10::Scalar& number) {
  at::Tensor tensor = c10::scalar_to_tensor(number);
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

TypePtr without_optional(TypePtr type) {
  while (type && type->kind() == TypeKind::OptionalType) type = type->castRaw<c10::OptionalType>()->getElementType();
  return type;
}

[[noreturn]] void misfit(const std::string& what, const c10::Type* type) {
  throw Error(ErrorCode::unsupported, what + " where the operator expects " + (type ? type->repr_str() : "a value"));
}

// The list's elements as their own arguments.
std::vector<Argument> elements(const Argument& argument) {
  std::vector<Argument> out;
  if (const auto* list = std::get_if<IntList>(&argument)) {
    for (const IntOrValue& e : *list) {
      if (const auto* number = std::get_if<std::int64_t>(&e)) out.emplace_back(*number);
      else out.emplace_back(std::get<Value*>(e));
    }
  } else if (const auto* values = std::get_if<ValueList>(&argument)) {
    for (Value* value : *values) {
      if (value) out.emplace_back(value);
      else out.emplace_back(NoneArgument{});
    }
  } else if (const auto* numbers = std::get_if<std::vector<double>>(&argument)) {
    for (double number : *numbers) out.emplace_back(number);
  } else if (const auto* flags = std::get_if<std::vector<bool>>(&argument)) {
    for (bool flag : *flags) out.emplace_back(flag);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&argument)) {
    for (const std::string& text : *texts) out.emplace_back(text);
  }
  return out;
}

bool is_list(const Argument& argument) {
  return std::holds_alternative<IntList>(argument) || std::holds_alternative<ValueList>(argument) ||
         std::holds_alternative<std::vector<double>>(argument) || std::holds_alternative<std::vector<bool>>(argument) ||
         std::holds_alternative<std::vector<std::string>>(argument);
}

c10::Device map_device(const Device& device, c10::Device run) {
  return device.type == "cpu" || device.type == "cuda" ? run : to_c10(device);
}

IValue raw_literal(const Argument& argument, c10::Device device) {
  if (std::holds_alternative<NoneArgument>(argument)) return {};
  if (const auto* v = std::get_if<std::int64_t>(&argument)) return *v;
  if (const auto* v = std::get_if<double>(&argument)) return *v;
  if (const auto* v = std::get_if<bool>(&argument)) return *v;
  if (const auto* v = std::get_if<std::string>(&argument)) return *v;
  if (const auto* v = std::get_if<ScalarType>(&argument)) return static_cast<std::int64_t>(to_c10(*v));
  if (const auto* v = std::get_if<MemoryFormat>(&argument)) return static_cast<std::int64_t>(to_c10(*v));
  if (const auto* v = std::get_if<Layout>(&argument)) {
    if (*v != Layout::strided) throw Error(ErrorCode::unsupported, "a layout other than strided");
    return static_cast<std::int64_t>(c10::Layout::Strided);
  }
  if (const auto* v = std::get_if<Device>(&argument)) return map_device(*v, device);
  if (const auto* v = std::get_if<Complex>(&argument)) return c10::complex<double>(v->real, v->imaginary);
  throw Error(ErrorCode::internal, "a list or a value where a literal is expected");
}

TypePtr element_type(const TypePtr& type) {
  const auto* list = type ? type->castRaw<c10::ListType>() : nullptr;
  return list ? list->getElementType() : nullptr;
}

// A stack entry for an argument that refers to values, or nothing when it is a constant.
std::optional<Fill> make_fill(const Argument& argument, const TypePtr& wanted, const SlotMap& slots, c10::Device device,
                              std::optional<int> length) {
  if (values_of(argument).empty()) return std::nullopt;
  const TypePtr type = without_optional(wanted);
  const TypePtr element = element_type(type);
  Fill fill;
  fill.is_list = is_list(argument) || element;
  fill.type = fill.is_list ? element : type;
  if (is_list(argument) && type && !element) misfit("a list", type.get());
  std::vector<Argument> parts = is_list(argument) ? elements(argument) : std::vector<Argument>{argument};
  if (!is_list(argument) && element && length) parts.resize(static_cast<std::size_t>(*length), argument);
  fill.as_is = true;
  for (const Argument& part : parts) {
    Operand operand;
    if (Value* const* value = std::get_if<Value*>(&part)) {
      operand.slot = slots.at(*value);
      const TypePtr plain = without_optional(fill.type);
      fill.as_is = fill.as_is && (*value)->is_tensor() && (!plain || plain->kind() == TypeKind::TensorType);
    } else {
      operand.constant = to_ivalue(part, fill.type, device);
    }
    fill.operands.push_back(std::move(operand));
  }
  return fill;
}

IValue constant_list(const Argument& argument, const TypePtr& type, c10::Device device, std::optional<int> length) {
  const TypePtr element = element_type(type);
  c10::impl::GenericList list(element);
  if (is_list(argument)) {
    for (const Argument& part : elements(argument)) list.push_back(to_ivalue(part, element, device));
  } else {  // a number stands for that many of it: stride=1 for int[2]
    const IValue value = to_ivalue(argument, element, device);
    for (int i = 0; i < length.value_or(1); ++i) list.push_back(value);
  }
  return list;
}

IValue take(const Operand& operand, std::vector<IValue>& frame) {
  if (operand.slot == kNoSlot) return operand.constant;
  return operand.move ? std::move(frame[operand.slot]) : frame[operand.slot];
}

IValue take_as(const Operand& operand, const Fill& fill, std::vector<IValue>& frame) {
  IValue value = take(operand, frame);
  return fill.as_is || !fill.type || operand.slot == kNoSlot ? value : coerce(std::move(value), *fill.type);
}

IValue make_list(const Fill& fill, std::vector<IValue>& frame) {
  c10::impl::GenericList list(fill.type ? fill.type : c10::TypePtr(c10::IntType::get()));
  list.reserve(fill.operands.size());
  for (const Operand& operand : fill.operands) list.push_back(take_as(operand, fill, frame));
  return list;
}

}  // namespace

IValue coerce(IValue value, const c10::Type& wanted) {
  switch (wanted.kind()) {
    case TypeKind::OptionalType:
      return value.isNone() ? value : coerce(std::move(value), *wanted.castRaw<c10::OptionalType>()->getElementType());
    case TypeKind::TensorType: return value.isScalar() ? wrapped_tensor(value.toScalar()) : value;
    case TypeKind::FloatType:
      if (value.isInt()) return static_cast<double>(value.toInt());
      return value.isBool() ? IValue(value.toBool() ? 1.0 : 0.0) : value;
    case TypeKind::IntType:
    case TypeKind::SymIntType: return value.isBool() ? IValue(static_cast<std::int64_t>(value.toBool())) : value;
    case TypeKind::BoolType: return value.isInt() ? IValue(value.toInt() != 0) : value;
    default: return value;
  }
}

IValue to_ivalue(const Argument& argument, const TypePtr& wanted, c10::Device device) {
  if (std::holds_alternative<NoneArgument>(argument)) return {};
  const TypePtr type = without_optional(wanted);
  if (element_type(type)) return constant_list(argument, type, device, std::nullopt);
  if (is_list(argument)) {
    if (!type) return constant_list(argument, c10::ListType::create(c10::IntType::get()), device, std::nullopt);
    misfit("a list", type.get());
  }
  IValue value = raw_literal(argument, device);
  if (!type) return value;
  if (type->kind() == TypeKind::DeviceObjType && value.isString()) return map_device({value.toStringRef()}, device);
  value = coerce(std::move(value), *type);
  const bool fits = [&] {
    switch (type->kind()) {
      case TypeKind::TensorType: return value.isTensor();
      case TypeKind::FloatType: return value.isDouble();
      case TypeKind::IntType:
      case TypeKind::SymIntType: return value.isInt();
      case TypeKind::BoolType: return value.isBool();
      case TypeKind::NumberType: return value.isScalar();
      case TypeKind::StringType: return value.isString();
      case TypeKind::DeviceObjType: return value.isDevice();
      default: return false;
    }
  }();
  if (!fits) misfit("a literal " + value.tagKind(), type.get());
  return value;
}

namespace {

// One argument of the schema, given by the node or left to its default.
void add_argument(const c10::Argument& formal, const Argument* given, std::size_t position, const SlotMap& slots, c10::Device device,
                  StackTemplate& stack) {
  if (!given) {
    if (!formal.default_value() && formal.type()->kind() != TypeKind::OptionalType) {
      throw Error(ErrorCode::unsupported, "argument `" + formal.name() + "` is missing");
    }
    stack.entries[position] = formal.default_value().value_or(IValue());
    return;
  }
  const TypePtr type = without_optional(formal.type());
  const std::optional<int> length = formal.N() ? std::optional<int>(*formal.N()) : std::nullopt;
  try {
    if (std::optional<Fill> fill = make_fill(*given, formal.type(), slots, device, length)) {
      fill->position = position;
      stack.fills.push_back(*std::move(fill));
    } else if (element_type(type) && !std::holds_alternative<NoneArgument>(*given)) {
      stack.entries[position] = constant_list(*given, type, device, length);
    } else {
      stack.entries[position] = to_ivalue(*given, formal.type(), device);
    }
  } catch (const Error& error) {
    throw Error(error.code(), "argument `" + formal.name() + "`: " + error.problems().front().message);
  }
}

}  // namespace

StackTemplate make_stack(const Node& node, const c10::FunctionSchema& schema, const SlotMap& slots, c10::Device device) {
  for (const NamedArgument& given : node.arguments()) {
    if (!schema.argumentIndexWithName(given.name)) {
      throw Error(ErrorCode::unsupported, "the operator has no argument `" + given.name + "`");
    }
  }
  StackTemplate stack;
  stack.entries.resize(schema.arguments().size());
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::Argument& formal = schema.arguments()[i];
    add_argument(formal, node.find_argument(formal.name()), i, slots, device, stack);
  }
  return stack;
}

StackTemplate make_stack(const Node& node, const SlotMap& slots) {
  StackTemplate stack;
  stack.entries.resize(node.arguments().size());
  for (std::size_t i = 0; i < stack.entries.size(); ++i) {
    const Argument& given = node.arguments()[i].value;
    if (std::optional<Fill> fill = make_fill(given, nullptr, slots, c10::kCPU, std::nullopt)) {
      fill->position = i;
      stack.fills.push_back(*std::move(fill));
    } else {
      stack.entries[i] = to_ivalue(given, nullptr, c10::kCPU);
    }
  }
  return stack;
}

void fill_stack(const StackTemplate& model, std::vector<IValue>& frame, std::vector<IValue>& stack) {
  stack.assign(model.entries.begin(), model.entries.end());
  for (const Fill& fill : model.fills) {
    stack[fill.position] = fill.is_list ? make_list(fill, frame) : take_as(fill.operands.front(), fill, frame);
  }
}

}  // namespace dsc
