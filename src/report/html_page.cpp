#include "report/html_page.h"

#include <algorithm>
#include <cctype>

#include "report/svg.h"

namespace dsc::html {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#2f9e6e;--bad:#c9372c}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
.cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}.card{border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem;min-width:9rem}
.card b{display:block;font-size:1.4rem}.card span{opacity:.7;font-size:.85rem}
.table{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;font-size:.9rem;overflow-wrap:normal}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;min-width:3rem}th{background:var(--soft)}
th.number,td.number{text-align:right;white-space:nowrap}
figure{display:inline-block;margin:.5rem 1rem .5rem 0;width:540px;max-width:100%;vertical-align:top}figcaption{font-weight:600;font-size:.9rem}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}svg .grid{stroke:currentColor;opacity:.15}
.status{display:inline-block;border-radius:6px;padding:0 .6rem;color:#fff;background:var(--bad)}.passed{background:var(--good)}
pre{background:var(--soft);padding:.7rem;overflow:auto}details{margin:.4rem 0}summary{cursor:pointer}
)";

// Numbers, with or without a unit behind them: read from the right.
bool is_number(const std::string& cell) {
  const auto digit = std::ranges::find_if(cell, [](unsigned char c) { return std::isdigit(c); });
  return digit != cell.end() && std::all_of(cell.begin(), digit, [](char c) { return c == '-' || c == '+' || c == '.'; });
}

bool is_number_column(const std::vector<std::vector<std::string>>& rows, std::size_t column) {
  bool any = false;
  for (const auto& row : rows) {
    if (column >= row.size() || row[column].empty() || row[column] == "-") continue;
    if (!is_number(row[column])) return false;
    any = true;
  }
  return any && column > 0;  // the first column names the row
}

}  // namespace

std::string head(const std::string& title) {
  return "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + escape_xml(title) +
         "</title><style>" + kStyle + "</style></head><body>\n";
}

void write_table(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<const char*> kinds;
  for (std::size_t i = 0; i < columns.size(); ++i) kinds.push_back(is_number_column(rows, i) ? " class=\"number\">" : ">");
  out << "<div class=\"table\"><table><tr>";
  for (std::size_t i = 0; i < columns.size(); ++i) out << "<th" << kinds[i] << escape_xml(columns[i]) << "</th>";
  out << "</tr>";
  for (const auto& row : rows) {
    out << "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) out << "<td" << (i < kinds.size() ? kinds[i] : ">") << escape_xml(row[i]) << "</td>";
    out << "</tr>";
  }
  out << "</table></div>\n";
}

void write_card(std::ostream& out, const std::string& title, const std::string& value, const std::string& detail) {
  out << "<div class=\"card\"><span>" << escape_xml(title) << "</span><b>" << escape_xml(value) << "</b><span>" << escape_xml(detail) << "</span></div>";
}

}  // namespace dsc::html
