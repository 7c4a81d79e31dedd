// Rows of text with named columns: tab-separated values, comma-separated values, JSON Lines, plain lines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/error.h"

namespace dsc {

enum class TableFormat : std::uint8_t {
  by_name,  // from the extension: .tsv, .csv, .jsonl, .txt
  tsv,      // no quoting, as GLUE's files
  csv,      // RFC 4180
  jsonl,    // one object a line
  lines     // one column `text`
};
std::span<const std::string_view> enum_names(TableFormat);

class TextTable {
 public:
  // header: the first row of .tsv and .csv names the columns; otherwise they are called "1", "2", ...
  // errors: data, all of them with file and line: rows of another width, empty lines, broken UTF-8, JSON that is none.
  explicit TextTable(const std::string& path, TableFormat format = TableFormat::by_name, bool header = true);

  const std::string& path() const { return path_; }
  std::int64_t row_count() const { return static_cast<std::int64_t>(lines_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  bool has_column(const std::string& name) const;
  const std::vector<std::string>& column(const std::string& name) const;  // errors: data, with the nearest names
  // Where a row stands in the file.
  Place place(std::int64_t row) const { return {.file = path_, .line = lines_.at(static_cast<std::size_t>(row))}; }

 private:
  std::string path_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> columns_;
  std::vector<int> lines_;  // counted from 1
};

// Independent problems of one file, shown together; many of one kind are cut short.
class FileProblems {
 public:
  explicit FileProblems(std::string path) : path_(std::move(path)) {}
  void add(int line, std::string what, std::string hint = {});
  void throw_if_any();  // errors: data

 private:
  std::string path_;
  std::size_t count_ = 0;
  std::vector<Problem> problems_;
};

// The whole file as text without a byte-order mark. errors: data for broken UTF-8, with line and offset; io.
std::string read_utf8(const std::string& path);

}  // namespace dsc
