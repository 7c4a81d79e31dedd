#include "core/expression.h"

#include <charconv>
#include <cmath>

#include "core/tree.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Recursive descent: sum = product {+|- product}, product = factor {*|/ factor}, factor = [-|+] (number | name | (sum)).
class Arithmetic {
 public:
  Arithmetic(std::string_view text, const std::function<double(const std::string&)>& value_of) : text_(text), value_of_(value_of) {}

  double whole() {
    const auto value = sum();
    if (position_ < text_.size()) fail("expected + - * / or the end, found `" + std::string(text_.substr(position_)) + "`");
    if (!std::isfinite(value)) fail("the result is not a finite number", "");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& message, const char* hint = "arithmetic has numbers, names, + - * / and parentheses") const {
    throw Error(ErrorCode::recipe, "in `" + std::string(text_) + "`: " + message, {}, hint);
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
  double sum() {
    auto value = product();
    for (;;) {
      if (take('+'))
        value += product();
      else if (take('-'))
        value -= product();
      else
        return value;
    }
  }
  double product() {
    auto value = factor();
    for (;;) {
      if (take('*')) {
        value *= factor();
      } else if (take('/')) {
        const auto divisor = factor();
        if (divisor == 0) fail("division by zero", "");
        value /= divisor;
      } else {
        return value;
      }
    }
  }
  double factor() {
    if (++depth_ > static_cast<int>(kMaxTreeDepth)) fail("nested too deeply");
    const auto value = take('-') ? -factor() : take('+') ? factor() : atom();
    --depth_;
    return value;
  }
  double atom() {
    const char c = peek();
    if (take('(')) {
      const auto value = sum();
      if (!take(')')) fail("a closing parenthesis is missing");
      return value;
    }
    if (is_digit(c) || c == '.') return number();
    if (is_letter(c)) return value_of_(name());
    fail(c ? "expected a number or a name, found `" + std::string(text_.substr(position_)) + "`" : "expected a number or a name at the end");
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
  const std::function<double(const std::string&)>& value_of_;
  std::size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace

double evaluate_expression(std::string_view text, const std::function<double(const std::string&)>& value_of) {
  return Arithmetic(text, value_of).whole();
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
