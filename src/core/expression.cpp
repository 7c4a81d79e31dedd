#include "core/expression.h"

#include <charconv>
#include <cmath>

#include "core/tree.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

using Lookup = std::function<ExpressionValue(const std::string&)>;

// Recursive descent: sum = product {+|- product}, product = factor {*|/ factor}, factor = [-|+] (number | name | (sum)).
// With conditions, what is in parentheses and the whole are any = all {|| all}, all = test {&& test}, test = [!] sum [== sum];
// true is 1.
class Evaluator {
 public:
  Evaluator(std::string_view text, const Lookup& value_of, bool conditions) : text_(text), value_of_(value_of), conditions_(conditions) {}

  ExpressionValue whole() {
    auto value = top();
    if (peek() != '\0') {
      fail(std::string("expected ") + (conditions_ ? "an operator" : "+ - * /") + " or the end, found `" + std::string(text_.substr(position_)) + "`");
    }
    return value;
  }
  double number_of(const ExpressionValue& value) const {
    if (const auto* text = std::get_if<std::string>(&value)) fail("`" + *text + "` is a text, and this needs a number", "texts can be compared with == and !=");
    const double number = std::get<double>(value);
    if (!std::isfinite(number)) fail("the result is not a finite number", "");
    return number;
  }

 private:
  [[noreturn]] void fail(const std::string& message, const char* hint = nullptr) const {
    constexpr const char* kArithmetic = "arithmetic has numbers, names, + - * / and parentheses";
    constexpr const char* kCondition = "conditions have numbers, 'texts', names, + - * /, == != < <= > >=, && || ! and parentheses";
    throw Error(ErrorCode::recipe, "in `" + std::string(text_) + "`: " + message, {}, hint ? hint : conditions_ ? kCondition : kArithmetic);
  }
  char peek() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool take(char sign) {
    if (peek() != sign) return false;
    ++position_;
    return true;
  }
  bool take(std::string_view sign) {
    peek();
    if (!text_.substr(position_).starts_with(sign)) return false;
    position_ += sign.size();
    return true;
  }
  ExpressionValue top() { return conditions_ ? any() : sum(); }
  ExpressionValue any() {
    auto value = all();
    while (take("||")) {
      const bool left = number_of(value) != 0, right = number_of(all()) != 0;
      value = left || right ? 1.0 : 0.0;
    }
    return value;
  }
  ExpressionValue all() {
    auto value = test();
    while (take("&&")) {
      const bool left = number_of(value) != 0, right = number_of(test()) != 0;
      value = left && right ? 1.0 : 0.0;
    }
    return value;
  }
  ExpressionValue test() {
    const auto left = sum();
    for (const auto* sign : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (take(sign)) return compare(left, sign, sum()) ? 1.0 : 0.0;
    }
    return left;
  }
  bool compare(const ExpressionValue& left, std::string_view sign, const ExpressionValue& right) const {
    if (sign == "==") return left == right;
    if (sign == "!=") return left != right;
    const double a = number_of(left), b = number_of(right);
    return sign == "<=" ? a <= b : sign == ">=" ? a >= b : sign == "<" ? a < b : a > b;
  }
  ExpressionValue sum() {
    auto value = product();
    for (;;) {
      if (take('+'))
        value = number_of(value) + number_of(product());
      else if (take('-'))
        value = number_of(value) - number_of(product());
      else
        return value;
    }
  }
  ExpressionValue product() {
    auto value = factor();
    for (;;) {
      if (take('*')) {
        value = number_of(value) * number_of(factor());
      } else if (take('/')) {
        const auto divisor = number_of(factor());
        if (divisor == 0) fail("division by zero", "");
        value = number_of(value) / divisor;
      } else {
        return value;
      }
    }
  }
  ExpressionValue factor() {
    if (++depth_ > static_cast<int>(kMaxTreeDepth)) fail("nested too deeply");
    const bool negates = conditions_ && peek() == '!' && !text_.substr(position_).starts_with("!=");
    const auto value = take('-') ? -number_of(factor()) : take('+') ? number_of(factor()) : negates ? negation() : atom();
    --depth_;
    return value;
  }
  ExpressionValue negation() {
    take('!');
    return number_of(factor()) == 0 ? 1.0 : 0.0;
  }
  ExpressionValue atom() {
    const char c = peek();
    if (take('(')) {
      const auto value = top();
      if (!take(')')) fail("a closing parenthesis is missing");
      return value;
    }
    if (is_digit(c) || c == '.') return number();
    if (is_letter(c)) return value_of_(name());
    if (conditions_ && (c == '\'' || c == '"')) return quoted();
    fail(c ? "expected a number or a name, found `" + std::string(text_.substr(position_)) + "`" : "expected a number or a name at the end");
  }
  std::string quoted() {
    const char quote = text_[position_++];
    const auto end = text_.find(quote, position_);
    if (end == std::string_view::npos) fail("a closing quote is missing");
    std::string content(text_.substr(position_, end - position_));
    position_ = end + 1;
    return content;
  }
  double number() {
    double value = 0;
    const auto* begin = text_.data() + position_;
    const auto read = std::from_chars(begin, text_.data() + text_.size(), value);
    if (read.ec != std::errc{}) fail("expected a number, found `" + std::string(text_.substr(position_)) + "`");
    position_ += static_cast<std::size_t>(read.ptr - begin);
    return value;
  }
  std::string name() {
    const auto begin = position_;
    while (position_ < text_.size() && (is_letter(text_[position_]) || is_digit(text_[position_]) || text_[position_] == '.')) ++position_;
    const std::string found(text_.substr(begin, position_ - begin));
    if (peek() == '(') fail("there is no function `" + found + "`");
    return found;
  }

  std::string_view text_;
  const Lookup& value_of_;
  bool conditions_;
  std::size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace

double evaluate_expression(std::string_view text, const std::function<double(const std::string&)>& value_of) {
  const Lookup lookup = [&](const std::string& name) { return ExpressionValue(value_of(name)); };
  Evaluator evaluator(text, lookup, false);
  return evaluator.number_of(evaluator.whole());
}

bool evaluate_condition(std::string_view text, const std::function<ExpressionValue(const std::string&)>& value_of) {
  Evaluator evaluator(text, value_of, true);
  return evaluator.number_of(evaluator.whole()) != 0;
}

bool is_variable_name(std::string_view text) {
  bool start = true;
  for (const char c : text) {
    if (start ? !is_letter(c) : !is_letter(c) && !is_digit(c) && c != '.') return false;
    start = c == '.';
  }
  return !start;
}

}  // namespace dsc
