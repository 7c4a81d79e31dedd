#include "report/markdown_table.h"

namespace dsc::markdown {
namespace {

std::string escape_cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += "\\|";
    else if (c == '\n') escaped += ' ';
    else escaped += c;
  }
  return escaped;
}

void write_row(std::ostream& out, const std::vector<std::string>& cells) {
  for (const auto& cell : cells) out << "| " << escape_cell(cell) << ' ';
  out << "|\n";
}

}  // namespace

void write_table(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows) {
  write_row(out, columns);
  write_row(out, std::vector<std::string>(columns.size(), "---"));
  for (const auto& row : rows) write_row(out, row);
  out << '\n';
}

}  // namespace dsc::markdown
