// The frame of HTML pages that open offline: one look for runs, sweeps, comparisons and nightly loops, light and dark, on
// telephones, wide screens and A4, with the keyboard and with screen readers. scripts/check_page.py looks at such pages in a browser.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace dsc::html {

// Everything up to the body's first element.
std::string head(const std::string& title);
inline constexpr const char* kEnd = "</main></body></html>\n";

// `name` says what the table is about, where no heading stands right before it. The first cell names its row.
void write_table(std::ostream& out, const std::string& name, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows);
// A figure in a frame.
void write_card(std::ostream& out, const std::string& title, const std::string& value, const std::string& detail);

// How often each row's class was taken for each column's; cells are as dark as they are large, the diagonal apart.
struct Matrix {
  std::string name;
  std::vector<std::string> classes;
  std::vector<std::vector<std::int64_t>> counts;  // [label][predicted]
};
void write_matrix(std::ostream& out, const Matrix& matrix);

}  // namespace dsc::html
