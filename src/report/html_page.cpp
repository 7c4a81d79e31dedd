#include "report/html_page.h"

#include "report/svg.h"

namespace dsc::html {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#2f9e6e;--bad:#c9372c}
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
.cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}.card{border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem;min-width:9rem}
.card b{display:block;font-size:1.4rem}.card span{opacity:.7;font-size:.85rem}
table{border-collapse:collapse;margin:.5rem 0;font-size:.9rem}th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}th{background:var(--soft)}td.text,th.text{text-align:left}
figure{display:inline-block;margin:.5rem 1rem .5rem 0;width:540px;max-width:100%;vertical-align:top}figcaption{font-weight:600;font-size:.9rem}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}svg .grid{stroke:currentColor;opacity:.15}
.status{display:inline-block;border-radius:6px;padding:0 .6rem;color:#fff;background:var(--bad)}.passed{background:var(--good)}
pre{background:var(--soft);padding:.7rem;overflow:auto}details{margin:.4rem 0}summary{cursor:pointer}
)";

}  // namespace

std::string head(const std::string& title) {
  return "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + escape_html(title) +
         "</title><style>" + kStyle + "</style></head><body>\n";
}

void write_table(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows) {
  out << "<table><tr>";
  for (const auto& column : columns) out << "<th>" << escape_html(column) << "</th>";
  out << "</tr>";
  for (const auto& row : rows) {
    out << "<tr>";
    for (const auto& cell : row) out << "<td>" << escape_html(cell) << "</td>";
    out << "</tr>";
  }
  out << "</table>\n";
}

void write_card(std::ostream& out, const std::string& title, const std::string& value, const std::string& detail) {
  out << "<div class=\"card\"><span>" << escape_html(title) << "</span><b>" << escape_html(value) << "</b><span>" << escape_html(detail) << "</span></div>";
}

}  // namespace dsc::html
