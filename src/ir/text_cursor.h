// Reads words, numbers, strings and signs from a text, and says what it expected where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace dsc::text {

class Cursor {
 public:
  Cursor(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  // The next character after blanks of this line; '\0' at the end of the text, '\n' at the end of a line or a comment.
  char peek();
  bool at_end();                        // after blanks, comments and empty lines
  bool skip(std::string_view sign);     // takes `sign` if it is next
  void expect(std::string_view sign);
  void end_line();                      // expects the end of the line
  bool next_is_word(std::string_view word);
  bool skip_word(std::string_view word);
  std::string_view word(std::string_view what);                   // a plain word
  std::string word_or_string(std::string_view what);
  std::string string(std::string_view what);                      // in quotes
  std::variant<std::int64_t, double> number(std::string_view what);  // 1, -1.5, inf, nan
  std::int64_t integer(std::string_view what);
  double real(std::string_view what);
  std::string expression();             // up to one of `{ , ] =` or the end of the line, or in quotes

  std::size_t position() const { return position_; }
  // errors: model_file, always: "expected WHAT, found ...".
  [[noreturn]] void fail_expected(std::string_view what, std::string hint = {});
  // errors: model_file, always, at a position passed before.
  [[noreturn]] void fail(std::size_t position, std::string message, std::string hint = {});

 private:
  std::string found();
  char escaped();

  std::string_view text_;
  std::string file_;
  std::size_t position_ = 0;
};

}  // namespace dsc::text
