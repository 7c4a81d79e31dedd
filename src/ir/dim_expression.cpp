#include "ir/dim_expression.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>
#include <utility>

namespace dsc {
namespace {

using Number = std::optional<std::int64_t>;

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Number power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return std::nullopt;
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) result *= base;
  return result;
}

// The exporter's functions, by their name in its output.
Number call_function(std::string_view function, const std::vector<std::int64_t>& a) {
  const bool two = a.size() == 2;
  if (function == "Integer" && a.size() == 1) return a[0];
  if (a.empty()) return std::nullopt;
  if (function == "Add") return std::accumulate(a.begin(), a.end(), std::int64_t{0});
  if (function == "Mul") return std::accumulate(a.begin(), a.end(), std::int64_t{1}, std::multiplies<>());
  if (function == "Max") return *std::max_element(a.begin(), a.end());
  if (function == "Min") return *std::min_element(a.begin(), a.end());
  if (two && (function == "Pow" || function == "PowByNatural")) return power(a[0], a[1]);
  if (!two || a[1] == 0) return std::nullopt;
  if (function == "FloorDiv" || function == "CleanDiv") return floor_divide(a[0], a[1]);
  if (function == "CeilDiv") return -floor_divide(-a[0], a[1]);
  if (function == "Mod" || function == "PythonMod") return a[0] - floor_divide(a[0], a[1]) * a[1];
  return std::nullopt;
}

// Recursive descent over both forms; the first thing that is not understood makes the result none.
class Evaluator {
 public:
  Evaluator(std::string_view text, const SymbolValues& symbols) : text_(text), symbols_(symbols) {}

  Number evaluate() {
    const Number result = sum();
    skip_space();
    return at_ == text_.size() ? result : std::nullopt;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  Number sum() {
    Number left = product();
    while (left) {
      if (take("+")) left = combine(left, product(), [](auto a, auto b) { return Number(a + b); });
      else if (take("-")) left = combine(left, product(), [](auto a, auto b) { return Number(a - b); });
      else break;
    }
    return left;
  }
  Number product() {
    Number left = factor();
    while (left) {
      if (take("//")) left = combine(left, factor(), [](auto a, auto b) { return b ? Number(floor_divide(a, b)) : std::nullopt; });
      else if (take("*")) left = combine(left, factor(), [](auto a, auto b) { return Number(a * b); });
      else break;
    }
    return left;
  }
  template <class Operation>
  static Number combine(Number a, Number b, Operation operation) {
    return a && b ? operation(*a, *b) : std::nullopt;
  }
  Number factor() {
    if (take("-")) {
      const Number value = factor();
      return value ? Number(-*value) : std::nullopt;
    }
    Number base = atom();
    if (base && take("**")) base = combine(base, factor(), power);
    return base;
  }

  Number atom() {
    if (take("(")) {
      const Number inner = sum();
      return take(")") ? inner : std::nullopt;
    }
    skip_space();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    if (error == std::errc()) {
      at_ = static_cast<std::size_t>(end - text_.data());
      return number;
    }
    const std::string_view name = word();
    if (name.empty()) return std::nullopt;
    if (name == "Symbol") return symbol_call();
    return take("(") ? call(name) : lookup(name);
  }
  std::string_view word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_' || text_[at_] == '.')) ++at_;
    const std::string_view whole = text_.substr(start, at_ - start);
    return whole.substr(whole.rfind('.') + 1);  // npos + 1 == 0
  }
  Number lookup(std::string_view name) const {
    const auto found = symbols_.find(name);
    return found == symbols_.end() ? std::nullopt : Number(found->second);
  }
  Number symbol_call() {  // ('s77', positive=True, integer=True)
    if (!take("('")) return std::nullopt;
    const std::string_view name = text_.substr(at_, text_.find('\'', at_) - at_);
    const std::size_t close = text_.find(')', at_);
    if (close == std::string_view::npos) return std::nullopt;
    at_ = close + 1;
    return lookup(name);
  }
  Number call(std::string_view function) {
    std::vector<std::int64_t> arguments;
    do {
      const Number argument = sum();
      if (!argument) return std::nullopt;
      arguments.push_back(*argument);
    } while (take(","));
    return take(")") ? call_function(function, arguments) : std::nullopt;
  }

  std::string_view text_;
  const SymbolValues& symbols_;
  std::size_t at_ = 0;
};

}  // namespace

std::string symbol_of(std::string_view expression) {
  constexpr std::string_view kOpen = "Symbol('";
  if (expression.starts_with(kOpen) && expression.find(')') == expression.size() - 1) {
    expression.remove_prefix(kOpen.size());
    return std::string(expression.substr(0, expression.find('\'')));
  }
  const bool plain = !expression.empty() && !std::isdigit(static_cast<unsigned char>(expression.front())) &&
                     std::all_of(expression.begin(), expression.end(),
                                 [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  return plain ? std::string(expression) : std::string();
}

bool names_symbol(std::string_view expression, std::string_view symbol) {
  const auto is_inside = [&](std::size_t at) { return at < expression.size() && (std::isalnum(static_cast<unsigned char>(expression[at])) || expression[at] == '_'); };
  if (symbol.empty()) return false;
  for (auto at = expression.find(symbol); at != std::string_view::npos; at = expression.find(symbol, at + 1)) {
    if ((at == 0 || !is_inside(at - 1)) && !is_inside(at + symbol.size())) return true;
  }
  return false;
}

std::optional<std::int64_t> evaluate_dim(std::string_view expression, const SymbolValues& symbols) {
  return Evaluator(expression, symbols).evaluate();
}

namespace {

// The form that the exporter writes, `Add(a, b)` over `Integer(2)`, against the short one, `a + b`.
bool is_exporters(const std::string& expression) { return expression.find("Symbol(") != std::string::npos; }
std::string number_in(bool exporters, std::int64_t n) { return exporters ? "Integer(" + std::to_string(n) + ")" : std::to_string(n); }

std::string joined(const std::vector<std::string>& operands, bool exporters, std::string_view function, std::string_view sign) {
  if (operands.size() == 1) return operands.front();
  std::string text = operands.front();
  for (std::size_t i = 1; i < operands.size(); ++i) text += (exporters ? ", " : std::string(sign)) + operands[i];
  return exporters ? std::string(function) + "(" + text + ")" : text;
}

}  // namespace

std::string make_dim(std::int64_t factor, const std::vector<std::string>& symbol_expressions, std::int64_t offset) {
  const bool exporters = is_exporters(symbol_expressions.front());
  std::vector<std::string> factors = symbol_expressions;
  if (factor != 1) factors.insert(factors.begin(), number_in(exporters, factor));
  const std::string product = joined(factors, exporters, "Mul", "*");
  return offset == 0 ? product : joined({product, number_in(exporters, offset)}, exporters, "Add", " + ");
}

std::string make_sum_dim(const std::vector<std::pair<std::int64_t, std::string>>& terms, std::int64_t offset) {
  const bool exporters = is_exporters(terms.front().second);
  std::vector<std::string> operands;
  for (const auto& [factor, symbol] : terms) operands.push_back(make_dim(factor, {symbol}, 0));
  if (offset != 0) operands.push_back(number_in(exporters, offset));
  return joined(operands, exporters, "Add", " + ");
}

std::string make_floor_dim(std::int64_t factor, const std::string& symbol_expression, std::int64_t offset, std::int64_t divisor) {
  const std::string dividend = make_dim(factor, {symbol_expression}, offset);
  if (divisor == 1) return dividend;
  const bool exporters = is_exporters(symbol_expression);
  if (exporters) return "FloorDiv(" + dividend + ", " + number_in(true, divisor) + ")";
  return "((" + dividend + ")//" + std::to_string(divisor) + ")";
}

}  // namespace dsc
