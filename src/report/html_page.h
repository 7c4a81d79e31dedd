// The frame of HTML pages that open offline: one look for the report of a run and for comparisons.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace dsc::html {

// Everything up to the body's first element.
std::string head(const std::string& title);
inline constexpr const char* kEnd = "</body></html>\n";

void write_table(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows);
// A figure in a frame.
void write_card(std::ostream& out, const std::string& title, const std::string& value, const std::string& detail);

}  // namespace dsc::html
