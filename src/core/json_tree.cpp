// JSON into a Tree, through nlohmann's event reader. Its events carry no places, so the input counts them: the last
// token that began before an event is the event's own.
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/tree.h"
#include "core/tree_build.h"

namespace dsc {
namespace {

// Follows the characters that the reader takes.
struct Scan {
  TextMark next{1, 1};
  TextMark token{1, 1};  // where the last token with a value began
  TextMark seen{1, 1};   // the last character that is no blank
  bool in_string = false, escaped = false, in_word = false;

  void take(char c) {
    const bool begins = !in_string && !in_word && !is_separator(c);
    if (begins) token = next;
    if (c != ' ' && c != '\t' && c != '\n') seen = next;
    if (in_string) {
      in_string = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else {
      in_string = c == '"';
      in_word = !in_string && !is_separator(c) && c != '{' && c != '[';
    }
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++next.column;
    if (c == '\n') next = {next.line + 1, 1};
  }
  static bool is_separator(char c) { return c == ' ' || c == '\t' || c == '\n' || c == ',' || c == ':' || c == ']' || c == '}'; }
};

// An input iterator that tells the scan about each character it passes.
struct ScanningIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  Scan* scan;
  const char& operator*() const { return *at; }
  ScanningIterator& operator++() {
    scan->take(*at++);
    return *this;
  }
  ScanningIterator operator++(int) {
    auto before = *this;
    ++*this;
    return before;
  }
  bool operator==(const ScanningIterator& other) const { return at == other.at; }
};

class JsonEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonEvents(TreeBuilder& builder, const Scan& scan) : builder_(builder), scan_(scan) {}

  bool null() override { return plain("null"); }
  bool boolean(bool value) override { return plain(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return plain(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return plain(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return plain(text); }
  bool string(string_t& text) override {
    builder_.scalar(text, true, scan_.token);
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Tree::Kind::map); }
  bool start_array(std::size_t) override { return open(Tree::Kind::list); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& text) override {
    builder_.key(text, scan_.token);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string what = error.what();
    const auto detail = what.find("syntax error");
    builder_.fail("not valid JSON: " + (detail == std::string::npos ? what : what.substr(detail)),
                  scan_.in_word || scan_.in_string ? scan_.token : scan_.seen,
                  "JSON has no comments and no comma after the last element; name the file .yaml to write YAML");
  }

 private:
  bool plain(std::string text) {
    builder_.scalar(std::move(text), false, scan_.token);
    return true;
  }
  bool open(Tree::Kind kind) {
    builder_.open(kind, scan_.token);
    return true;
  }
  bool close() {
    builder_.close();
    return true;
  }

  TreeBuilder& builder_;
  const Scan& scan_;
};

}  // namespace

Tree read_json(std::string_view text, std::shared_ptr<const TreeSource> source, std::vector<Problem>& problems) {
  const auto plain = prepare_text(text, *source);
  TreeBuilder builder(source, false, problems);
  if (plain.find_first_not_of(" \t\n") == std::string::npos) return builder.take_root();  // says that it is empty
  Scan scan;
  JsonEvents events(builder, scan);
  const char* const begin = plain.data();
  nlohmann::json::sax_parse(ScanningIterator{begin, &scan}, ScanningIterator{begin + plain.size(), &scan}, &events);
  return builder.take_root();
}

}  // namespace dsc
