#include "io/torchscript_scalars.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "dscompress/error.h"

namespace dsc::torchscript {
namespace {

struct Builtin {
  std::string_view name;    // of the TorchScript operator, without its namespace
  std::string_view target;  // of the node
  std::size_t arity;
};
constexpr std::array<Builtin, 28> kBuiltins{{
    {"add", "_operator.add", 2},       {"sub", "_operator.sub", 2},
    {"mul", "_operator.mul", 2},       {"floordiv", "_operator.floordiv", 2},
    {"div", "_operator.truediv", 2},   {"floor_divide", "_operator.floordiv", 2},
    {"truediv", "_operator.truediv", 2}, {"remainder", "_operator.mod", 2},
    {"neg", "_operator.neg", 1},       {"abs", "_operator.abs", 1},
    {"pow", "_operator.pow", 2},       {"ceil", "math.ceil", 1},
    {"floor", "math.floor", 1},        {"sqrt", "math.sqrt", 1},
    {"log", "math.log", 1},            {"min", "torch.sym_min", 2},
    {"max", "torch.sym_max", 2},       {"eq", "_operator.eq", 2},
    {"ne", "_operator.ne", 2},         {"lt", "_operator.lt", 2},
    {"le", "_operator.le", 2},         {"gt", "_operator.gt", 2},
    {"ge", "_operator.ge", 2},         {"__and__", "_operator.and_", 2},
    {"__or__", "_operator.or_", 2},    {"__not__", "torch.sym_not", 1},
    {"minimum", "torch.sym_min", 2},   {"maximum", "torch.sym_max", 2},
}};

const Builtin* find_builtin(const c10::FunctionSchema& schema, const Items& arguments) {
  const std::string name = base_name(schema.name());
  const bool is_rounded = schema.overload_name() == "Tensor_mode" || schema.overload_name() == "Scalar_mode";
  if (const auto alpha = schema.argumentIndexWithName("alpha")) {
    const auto* factor = find_known(arguments.at(static_cast<std::size_t>(*alpha)));
    if (!factor || !factor->isInt() || factor->toInt() != 1) return nullptr;
  }
  const auto found = std::find_if(kBuiltins.begin(), kBuiltins.end(), [&](const Builtin& row) { return row.name == (is_rounded ? "floordiv" : name); });
  return found != kBuiltins.end() && found->arity <= arguments.size() ? &*found : nullptr;
}

// The number behind an item as a node's argument.
Argument number_argument(const Item& item) {
  if (const auto* number = item.as<NumberItem>(); number && number->value) return number->value;
  const auto* known = find_known(item);
  if (known && known->isInt()) return known->toInt();
  if (known && known->isDouble()) return known->toDouble();
  if (known && known->isBool()) return known->toBool();
  throw Error(ErrorCode::unsupported, "arithmetic on sizes with something that is no number");
}

bool same_kind(const c10::IValue& a, const c10::IValue& b) { return a.tagKind() == b.tagKind(); }

// A number in another type.
std::optional<Item> convert(GraphBuilder& builder, const NumberItem& from, const std::vector<c10::IValue>& lanes) {
  if (same_kind(from.lanes.front(), lanes.front()) && from.lanes == lanes) return NumberItem{from.value, lanes};
  const bool to_float = lanes.front().isDouble(), to_int = lanes.front().isInt();
  if (!to_float && !to_int) return std::nullopt;
  const auto arguments = [&] { return std::vector<NamedArgument>{{"", from.value, false}}; };
  return builder.number(lanes, to_float ? "torch.sym_float" : "math.trunc", arguments, to_float ? "sym_float" : "trunc");
}

// Operators that hand a number on, perhaps in another type.
bool is_conversion(const std::string& name) {
  static constexpr std::array<std::string_view, 17> kNames{"Int", "IntImplicit", "Float", "FloatImplicit", "ScalarImplicit", "item", "ImplicitTensorToNum", "Bool",
                                                           "NumToTensor", "tensor", "scalar_tensor", "as_tensor", "to", "detach", "clone", "contiguous", "type_as"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::optional<Item> emit(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments, std::vector<c10::IValue> lanes) {
  const std::string name = base_name(schema.name());
  if (all_equal(lanes)) return NumberItem{nullptr, std::move(lanes)};
  if (is_conversion(name)) {
    const auto* from = arguments.front().as<NumberItem>();
    return from ? convert(builder, *from, lanes) : std::nullopt;
  }
  const Builtin* builtin = find_builtin(schema, arguments);
  if (!builtin) return std::nullopt;
  const auto operands = [&] {
    std::vector<NamedArgument> out;
    for (std::size_t i = 0; i < builtin->arity; ++i) out.push_back({"", number_argument(arguments[i]), false});
    return out;
  };
  return builder.number(std::move(lanes), builtin->target, operands, name);
}

}  // namespace

Item emit_number(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments, std::vector<c10::IValue> lanes) {
  if (all_equal(lanes)) return KnownItem{lanes.front()};
  if (auto item = emit(builder, schema, arguments, std::move(lanes))) return *item;
  throw Error(ErrorCode::unsupported, "operator `" + schema.name() + "` on a size that may change", {},
              "give a number for the dimension, instead of a name");
}

std::optional<Item> emit_number_tensor(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments,
                                       const std::vector<at::Tensor>& lanes) {
  std::vector<c10::IValue> numbers;
  for (const at::Tensor& lane : lanes) {
    if (lane.dim() != 0 || at::isComplexType(lane.scalar_type())) return std::nullopt;
    numbers.emplace_back(lane.item());
  }
  auto item = emit(builder, schema, arguments, std::move(numbers));
  if (!item) return std::nullopt;
  auto number = *item->as<NumberItem>();
  number.tensor_type = lanes.front().scalar_type();
  return number;
}

}  // namespace dsc::torchscript
