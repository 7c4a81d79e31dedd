#include "exec/kernels/python_ops.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "dscompress/error.h"

namespace dsc {
namespace {

using c10::IValue;
using Stack = std::vector<IValue>;

bool is_integer(const IValue& v) { return v.isInt() || v.isBool(); }
std::int64_t integer(const IValue& v) { return v.isBool() ? static_cast<std::int64_t>(v.toBool()) : v.toInt(); }
double number(const IValue& v) { return v.isDouble() ? v.toDouble() : static_cast<double>(integer(v)); }
bool truth(const IValue& v) { return number(v) != 0; }

void give(Stack& stack, IValue result) {
  stack.clear();
  stack.push_back(std::move(result));
}
// The result is an integer when both operands are.
template <class Operation>
void arithmetic(Stack& stack, Operation operation) {
  const IValue &a = stack.at(0), &b = stack.at(1);
  if (is_integer(a) && is_integer(b)) give(stack, IValue(operation(integer(a), integer(b))));
  else give(stack, IValue(operation(number(a), number(b))));
}
template <class Comparison>
void compare(Stack& stack, Comparison comparison) {
  const IValue &a = stack.at(0), &b = stack.at(1);
  const bool exact = is_integer(a) && is_integer(b);
  give(stack, exact ? comparison(integer(a), integer(b)) : comparison(number(a), number(b)));
}

void check_divisor(const IValue& b) {
  if (number(b) == 0) throw Error(ErrorCode::data, "division by zero in size arithmetic");
}
std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}
void floordiv(Stack& stack) {
  check_divisor(stack.at(1));
  const IValue &a = stack[0], &b = stack[1];
  if (is_integer(a) && is_integer(b)) give(stack, floor_divide(integer(a), integer(b)));
  else give(stack, std::floor(number(a) / number(b)));
}
void mod(Stack& stack) {  // the sign of the divisor, as in Python
  check_divisor(stack.at(1));
  const IValue &a = stack[0], &b = stack[1];
  if (is_integer(a) && is_integer(b)) {
    give(stack, integer(a) - floor_divide(integer(a), integer(b)) * integer(b));
  } else {
    give(stack, number(a) - std::floor(number(a) / number(b)) * number(b));
  }
}
void truediv(Stack& stack) {
  check_divisor(stack.at(1));
  give(stack, number(stack[0]) / number(stack[1]));
}
void power(Stack& stack) {
  const IValue &a = stack.at(0), &b = stack.at(1);
  if (!is_integer(a) || !is_integer(b) || integer(b) < 0) return give(stack, std::pow(number(a), number(b)));
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < integer(b); ++i) result *= integer(a);
  give(stack, result);
}
void float_power(Stack& stack) { give(stack, std::pow(number(stack.at(0)), number(stack.at(1)))); }
void negate(Stack& stack) { give(stack, is_integer(stack.at(0)) ? IValue(-integer(stack[0])) : IValue(-number(stack[0]))); }
void absolute(Stack& stack) {
  give(stack, is_integer(stack.at(0)) ? IValue(std::abs(integer(stack[0]))) : IValue(std::abs(number(stack[0]))));
}
void logical_and(Stack& stack) {
  const IValue &a = stack.at(0), &b = stack.at(1);
  give(stack, a.isBool() && b.isBool() ? IValue(a.toBool() && b.toBool()) : IValue(integer(a) & integer(b)));
}
void logical_or(Stack& stack) {
  const IValue &a = stack.at(0), &b = stack.at(1);
  give(stack, a.isBool() && b.isBool() ? IValue(a.toBool() || b.toBool()) : IValue(integer(a) | integer(b)));
}
void logical_not(Stack& stack) { give(stack, !truth(stack.at(0))); }

template <double (*function)(double)>
void to_integer(Stack& stack) {
  give(stack, is_integer(stack.at(0)) ? integer(stack[0]) : static_cast<std::int64_t>(function(number(stack[0]))));
}
template <double (*function)(double)>
void real(Stack& stack) {
  give(stack, function(number(stack.at(0))));
}
double up(double x) { return std::ceil(x); }
double down(double x) { return std::floor(x); }
double cut(double x) { return std::trunc(x); }
double to_even(double x) { return std::nearbyint(x); }
double same(double x) { return x; }
double root(double x) { return std::sqrt(x); }
double log_natural(double x) { return std::log(x); }
double log_binary(double x) { return std::log2(x); }
double exponential(double x) { return std::exp(x); }

void if_then_else(Stack& stack) { give(stack, truth(stack.at(0)) ? stack.at(1) : stack.at(2)); }
void sum(Stack& stack) {
  std::int64_t total = 0;
  for (const IValue& v : stack.at(0).toListRef()) total += integer(v);
  give(stack, total);
}

void size_of(Stack& stack) { give(stack, stack.at(0).toTensor().size(stack.at(1).toInt())); }
void stride_of(Stack& stack) { give(stack, stack.at(0).toTensor().stride(stack.at(1).toInt())); }
void numel_of(Stack& stack) { give(stack, stack.at(0).toTensor().numel()); }
void offset_of(Stack& stack) { give(stack, stack.at(0).toTensor().storage_offset()); }

void assert_scalar(Stack& stack) {
  if (!truth(stack.at(0))) {
    throw Error(ErrorCode::data, "the inputs break an assumption that the model was exported under: " +
                                     (stack.size() > 1 && stack[1].isString() ? stack[1].toStringRef() : std::string()));
  }
  stack.clear();
}

const std::unordered_map<std::string_view, Builtin>& builtins() {
  static const std::unordered_map<std::string_view, Builtin> table{
      {"_operator.add", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return a + b; }); }},
      {"_operator.sub", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return a - b; }); }},
      {"_operator.mul", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return a * b; }); }},
      {"_operator.floordiv", floordiv},
      {"_operator.mod", mod},
      {"_operator.truediv", truediv},
      {"_operator.pow", power},
      {"_operator.neg", negate},
      {"_operator.abs", absolute},
      {"_operator.eq", [](Stack& s) { compare(s, [](auto a, auto b) { return a == b; }); }},
      {"_operator.ne", [](Stack& s) { compare(s, [](auto a, auto b) { return a != b; }); }},
      {"_operator.lt", [](Stack& s) { compare(s, [](auto a, auto b) { return a < b; }); }},
      {"_operator.le", [](Stack& s) { compare(s, [](auto a, auto b) { return a <= b; }); }},
      {"_operator.gt", [](Stack& s) { compare(s, [](auto a, auto b) { return a > b; }); }},
      {"_operator.ge", [](Stack& s) { compare(s, [](auto a, auto b) { return a >= b; }); }},
      {"_operator.and_", logical_and},
      {"_operator.or_", logical_or},
      {"_operator.not_", logical_not},
      {"_operator.pos", [](Stack&) {}},
      {"math.ceil", to_integer<up>},
      {"math.floor", to_integer<down>},
      {"math.trunc", to_integer<cut>},
      {"math.sqrt", real<root>},
      {"math.pow", float_power},
      {"math.log", real<log_natural>},
      {"math.log2", real<log_binary>},
      {"math.exp", real<exponential>},
      {"builtins.round", to_integer<to_even>},
      {"builtins.abs", absolute},
      {"builtins.max", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return std::max(a, b); }); }},
      {"builtins.min", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return std::min(a, b); }); }},
      {"torch.sym_max", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return std::max(a, b); }); }},
      {"torch.sym_min", [](Stack& s) { arithmetic(s, [](auto a, auto b) { return std::min(a, b); }); }},
      {"torch.sym_not", logical_not},
      {"torch.sym_float", real<same>},
      {"torch.sym_int", to_integer<cut>},
      {"torch.sym_sqrt", real<root>},
      {"torch._sym_sqrt", real<root>},
      {"torch.sym_ite", if_then_else},
      {"torch.sym_sum", sum},
      {"aten.sym_size.int", size_of},
      {"aten.sym_stride.int", stride_of},
      {"aten.sym_numel.default", numel_of},
      {"aten.sym_storage_offset.default", offset_of},
      {"aten._assert_scalar.default", assert_scalar},
  };
  return table;
}

}  // namespace

Builtin find_builtin(std::string_view target) {
  const auto found = builtins().find(target);
  return found == builtins().end() ? nullptr : found->second;
}

bool is_vacuous(std::string_view target) {
  return target == "aten._assert_tensor_metadata.default" || target.starts_with("aten.sym_constrain_range");
}

}  // namespace dsc
