#include "ir/text_cursor.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "dscompress/error.h"
#include "ir/text_words.h"

namespace dsc::text {

char Cursor::peek() {
  while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\t' || text_[position_] == '\r')) {
    ++position_;
  }
  if (position_ < text_.size() && text_[position_] == '#') position_ = std::min(text_.find('\n', position_), text_.size());
  return position_ < text_.size() ? text_[position_] : '\0';
}

bool Cursor::at_end() {
  while (peek() == '\n') ++position_;
  return position_ >= text_.size();
}

bool Cursor::skip(std::string_view sign) {
  peek();
  if (text_.substr(position_, sign.size()) != sign) return false;
  position_ += sign.size();
  return true;
}

void Cursor::expect(std::string_view sign) {
  if (!skip(sign)) fail_expected("`" + std::string(sign) + "`");
}

void Cursor::end_line() {
  const char next = peek();
  if (next != '\n' && position_ < text_.size()) fail_expected("the end of the line");
}

bool Cursor::next_is_word(std::string_view word) {
  peek();
  if (text_.substr(position_, word.size()) != word) return false;
  const std::size_t end = position_ + word.size();
  return end == text_.size() || !is_word(text_[end]);
}

bool Cursor::skip_word(std::string_view word) {
  if (!next_is_word(word)) return false;
  position_ += word.size();
  return true;
}

std::string_view Cursor::word(std::string_view what) {
  if (!is_word_start(peek())) fail_expected(what);
  const std::size_t begin = position_;
  while (position_ < text_.size() && is_word(text_[position_])) ++position_;
  return text_.substr(begin, position_ - begin);
}

std::string Cursor::word_or_string(std::string_view what) {
  return peek() == '"' ? string(what) : std::string(word(what));
}

char Cursor::escaped() {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  const std::size_t begin = position_ - 1;
  const char c = position_ < text_.size() ? text_[position_++] : '\0';
  if (c == 'n') return '\n';
  if (c == 't') return '\t';
  if (c == '"' || c == '\\') return c;
  if (c == 'x' && position_ + 2 <= text_.size()) {
    const int high = digit(text_[position_]), low = digit(text_[position_ + 1]);
    position_ += 2;
    if (high >= 0 && low >= 0) return static_cast<char>(high * 16 + low);
  }
  fail(begin, "unknown escape in a string", "use \\n, \\t, \\\", \\\\ or \\x and two hexadecimal digits");
}

std::string Cursor::string(std::string_view what) {
  if (peek() != '"') fail_expected(what);
  const std::size_t begin = position_++;
  std::string out;
  while (position_ < text_.size() && text_[position_] != '\n') {
    const char c = text_[position_++];
    if (c == '"') return out;
    out += c == '\\' ? escaped() : c;
  }
  fail(begin, "the string has no end", "close it with \" on the same line");
}

std::variant<std::int64_t, double> Cursor::number(std::string_view what) {
  peek();
  const std::size_t begin = position_;
  for (std::string_view special : {"inf", "-inf", "nan"}) {
    const std::size_t end = begin + special.size();
    if (text_.substr(begin, special.size()) != special || (end < text_.size() && is_word(text_[end]))) continue;
    position_ = end;
    if (special == "nan") return std::numeric_limits<double>::quiet_NaN();
    return special == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  }
  while (position_ < text_.size() && std::string_view("+-.0123456789eE").find(text_[position_]) != std::string_view::npos) {
    ++position_;
  }
  const std::string_view token = text_.substr(begin, position_ - begin);
  const char* end = token.data() + token.size();
  if (token.empty()) fail_expected(what);
  if (token.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t value = 0;
    const auto result = std::from_chars(token.data(), end, value);
    if (result.ec == std::errc{} && result.ptr == end) return value;
  } else {
    double value = 0;
    const auto result = std::from_chars(token.data(), end, value);
    if (result.ec == std::errc{} && result.ptr == end) return value;
  }
  fail(begin, "`" + std::string(token) + "` is not a number of 64 bits", "expected " + std::string(what));
}

std::int64_t Cursor::integer(std::string_view what) {
  peek();
  const std::size_t begin = position_;
  const auto value = number(what);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  position_ = begin;
  fail_expected(what);
}

double Cursor::real(std::string_view what) {
  peek();
  const std::size_t begin = position_;
  const auto value = number(what);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  position_ = begin;
  fail_expected(what, "write 1.0, not 1");
}

std::string Cursor::expression() {
  if (peek() == '"') return string("an expression");
  const std::size_t begin = position_;
  while (position_ < text_.size() && std::string_view("{},[]=\"\n#").find(text_[position_]) == std::string_view::npos) {
    ++position_;
  }
  std::string_view text = text_.substr(begin, position_ - begin);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  if (!is_plain_expression(text)) {
    position_ = begin;
    fail_expected("a dimension", "a number, or an expression such as s77{2}; other signs stand in quotes");
  }
  return std::string(text);
}

std::string Cursor::found() {
  const char next = peek();
  if (position_ >= text_.size()) return "the end of the text";
  if (next == '\n') return "the end of the line";
  std::size_t end = position_ + 1;
  if (is_word(next)) {
    while (end < text_.size() && is_word(text_[end]) && end - position_ < 40) ++end;
  }
  return "`" + std::string(text_.substr(position_, end - position_)) + "`";
}

void Cursor::fail_expected(std::string_view what, std::string hint) {
  const std::string message = "expected " + std::string(what) + ", found " + found();
  fail(position_, message, std::move(hint));
}

void Cursor::fail(std::size_t position, std::string message, std::string hint) {
  const std::string_view before = text_.substr(0, position);
  const auto line = static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const auto column = static_cast<int>(position - line_start) + 1;
  throw Error(ErrorCode::model_file, std::move(message), {.file = file_, .line = line, .column = column}, std::move(hint));
}

}  // namespace dsc::text
