#include "text/csv.h"

#include <algorithm>

#include "text/table.h"

namespace dsc {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, FileProblems& problems) : text_(text), problems_(problems) {}

  std::vector<TableRow> read() {
    std::vector<TableRow> rows;
    while (at_ < text_.size()) {
      rows.push_back({line_, {}});
      do rows.back().cells.push_back(cell());
      while (take(','));
      end_line();
    }
    return rows;
  }

 private:
  bool take(char wanted) {
    const bool there = at_ < text_.size() && text_[at_] == wanted;
    at_ += there ? 1 : 0;
    return there;
  }

  std::string cell() { return take('"') ? quoted() : plain(); }

  std::string plain() {
    const auto end = std::min(text_.find_first_of(",\n", at_), text_.size());
    std::string_view value = text_.substr(at_, end - at_);
    at_ = end;
    if (value.ends_with('\r')) value.remove_suffix(1);
    if (value.find('"') != std::string_view::npos) {
      problems_.add(line_, "a quote inside a field that is not quoted", "put the field in quotes and double those inside; tables without quoting are .tsv");
    }
    return std::string(value);
  }

  std::string quoted() {
    const int start = line_;
    std::string value;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"' && !take('"')) return value;
      line_ += c == '\n';
      value += c;
    }
    problems_.add(start, "a quoted field does not end", "close the quote, or double quotes inside fields");
    return value;
  }

  void end_line() {
    take('\r');
    if (at_ < text_.size() && text_[at_] != '\n') {
      problems_.add(line_, "text after a quoted field", "put the whole field in quotes and double those inside");
      at_ = std::min(text_.find('\n', at_), text_.size());
    }
    ++at_;
    ++line_;
  }

  std::string_view text_;
  FileProblems& problems_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<TableRow> read_csv(std::string_view text, FileProblems& problems) { return CsvReader(text, problems).read(); }

}  // namespace dsc
