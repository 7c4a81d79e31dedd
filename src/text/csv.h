// Comma-separated values, strictly as RFC 4180 has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dsc {

class FileProblems;

struct TableRow {
  int line;  // where it starts in the file, counted from 1
  std::vector<std::string> cells;
};

// Fields in double quotes may hold commas, line breaks and doubled quotes; lines end with LF or CRLF. Quotes anywhere
// else are problems: guessing what was meant would move text from one column to another.
std::vector<TableRow> read_csv(std::string_view text, FileProblems& problems);

}  // namespace dsc
