#include "report/html_page.h"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "core/printed.h"
#include "report/charts.h"

namespace dsc::html {
namespace {

// Texts have a contrast of 4.5 at least, marks of 3, in both schemes.
constexpr const char* kStyle = R"(
html{background:var(--back);color:var(--ink)}
:root{color-scheme:light dark;--back:#fff;--ink:#1b1e23;--line:#8886;--soft:#8881;--pale:#c5cddb;--good:#1f7a53;--bad:#c9372c;--even:#6b5f00;--badge:#fff;
--c0:#3467c8;--c1:#c2541f;--c2:#1f7a53;--c3:#8b45b8;--c4:#8f6f00;--c5:#16788a;--c6:#b83a68;--c7:#686d75}
@media (prefers-color-scheme:dark){:root{--back:#15181c;--ink:#e6e8eb;--pale:#414958;--good:#55c796;--bad:#ff8a7a;--even:#d9bf45;--badge:#111;
--c0:#7fa6f5;--c1:#f0935f;--c2:#55c796;--c3:#c58ae8;--c4:#dcb83f;--c5:#55bfd1;--c6:#ee86ab;--c7:#a3a9b2}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1rem 0 .3rem}
a,summary{text-underline-offset:.2em}:focus-visible{outline:3px solid var(--c0);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.8rem 0}nav a{color:inherit}
.cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}.card{border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem;min-width:9rem;max-width:100%}
.card b{display:block;font-size:1.4rem}.card span{opacity:.8;font-size:.85rem}
.table{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;font-size:.9rem;overflow-wrap:normal}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}thead th{background:var(--soft);vertical-align:bottom}
tbody th{font-weight:400;white-space:nowrap}td.long{min-width:16rem}th.number,td.number{text-align:right;white-space:nowrap}
.matrix td{text-align:right;padding:.2rem .35rem;font-size:.8rem}.matrix th{padding:.2rem .4rem;font-size:.8rem}.matrix thead th{writing-mode:vertical-rl;max-height:9rem}
.matrix thead td{border:0}.matrix .hit{background:color-mix(in srgb,var(--c2) calc(var(--v)*45%),transparent)}.matrix .miss{background:color-mix(in srgb,var(--c1) calc(var(--v)*55%),transparent)}
figure{display:inline-block;margin:.6rem 12px .6rem 0;width:368px;max-width:100%;vertical-align:top;break-inside:avoid}figure:has(table){width:auto}figcaption{font-weight:600;font-size:.9rem}
svg{display:block;width:100%;height:auto}svg text{font-size:12px;fill:currentColor}.grid{stroke:currentColor;opacity:.18}.zero{stroke:currentColor;opacity:.6;stroke-dasharray:2 2}
polyline,path{fill:none;stroke-width:2}.dashes{stroke-width:1.5;stroke-dasharray:4 3}.thin{stroke-width:1;opacity:.4}.thin path{stroke-width:1}.faint{opacity:.75}
.good{fill:var(--good)}.bad{fill:var(--bad)}.pale{fill:var(--pale)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}.f7{fill:var(--c7)}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.legend{display:flex;flex-wrap:wrap;gap:0 .9rem;list-style:none;margin:.1rem 0;padding:0;font-size:12px}.legend .key{display:inline-block;width:10px;height:10px;margin-right:.35em}
.examples{display:flex;flex-wrap:wrap;gap:.8rem;list-style:none;padding:0}.examples li{border:1px solid var(--line);border-radius:8px;padding:.6rem;width:11rem;font-size:.85rem;break-inside:avoid}
.examples img{display:block;width:96px;height:96px;object-fit:contain;image-rendering:pixelated;margin-bottom:.3rem}.examples .text{width:100%}
.status{display:inline-block;border-radius:6px;padding:0 .6rem;color:var(--badge);background:var(--even)}.status.passed{background:var(--good)}.status.failed,.status.error,.status.anomalous{background:var(--bad)}
pre{background:var(--soft);padding:.7rem;overflow:auto;white-space:pre-wrap}details{margin:.4rem 0}summary{cursor:pointer}.note{font-size:.9rem;opacity:.85;max-width:52rem}
@page{size:A4;margin:12mm}
@media print{html{font-size:12px;print-color-adjust:exact}:root{color-scheme:light;--back:#fff;--ink:#000}body{margin:0;padding:0;max-width:none;font-size:1rem}figure{width:330px}nav{display:none}h2,h3,summary{break-after:avoid}tr,.card{break-inside:avoid}
.table{overflow:visible}table{font-size:10px}tbody th,td:not(.number){overflow-wrap:anywhere}th,td{padding:.15rem .35rem}tbody th,th.number,td.number{white-space:normal}td.long{min-width:0}details::details-content{content-visibility:visible;block-size:auto}}
)";

constexpr std::size_t kLong = 40;  // texts of so many characters need room to be read

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

// It may be wider than the screen: the keyboard scrolls what has the focus.
std::string open_table(const std::string& name, const std::string& kind = {}) {
  const auto label = escape_xml(name);
  return "<div class=\"table\" role=\"group\" tabindex=\"0\" aria-label=\"" + label + "\"><table" + kind + " aria-label=\"" + label + "\"><thead><tr>";
}

}  // namespace

std::string head(const std::string& title) {
  return "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\"><title>" +
         escape_xml(title) + "</title><style>" + kStyle + "</style></head><body><main>\n";
}

void write_table(std::ostream& out, const std::string& name, const std::vector<std::string>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<const char*> kinds;
  for (std::size_t i = 0; i < columns.size(); ++i) kinds.push_back(is_number_column(rows, i) ? " class=\"number\">" : ">");
  out << open_table(name);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].empty()) out << "<td></td>";
    else out << "<th scope=\"col\"" << kinds[i] << escape_xml(columns[i]) << "</th>";
  }
  out << "</tr></thead><tbody>";
  for (const auto& row : rows) {
    out << "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool names_row = i == 0 && !row[i].empty();
      const char* const cell = names_row ? "th" : "td";
      const char* const kind = row[i].size() > kLong && i > 0 ? " class=\"long\">" : i < kinds.size() ? kinds[i] : ">";
      out << '<' << cell << (names_row ? " scope=\"row\"" : "") << kind << escape_xml(row[i]) << "</" << cell << '>';
    }
    out << "</tr>";
  }
  out << "</tbody></table></div>\n";
}

void write_card(std::ostream& out, const std::string& title, const std::string& value, const std::string& detail) {
  out << "<div class=\"card\"><span>" << escape_xml(title) << "</span><b>" << escape_xml(value) << "</b><span>" << escape_xml(detail) << "</span></div>";
}

void write_matrix(std::ostream& out, const Matrix& matrix) {
  std::int64_t most = 1;  // off the diagonal
  for (std::size_t label = 0; label < matrix.counts.size(); ++label) {
    for (std::size_t predicted = 0; predicted < matrix.counts[label].size(); ++predicted) {
      if (label != predicted) most = std::max(most, matrix.counts[label][predicted]);
    }
  }
  out << "<figure><figcaption>" << escape_xml(matrix.name) << "</figcaption>" << open_table(matrix.name + ": rows are labels, columns predictions", " class=\"matrix\"") << "<td></td>";
  for (const auto& name : matrix.classes) out << "<th scope=\"col\">" << escape_xml(name) << "</th>";
  out << "</tr></thead><tbody>";
  for (std::size_t label = 0; label < matrix.counts.size(); ++label) {
    const auto& row = matrix.counts[label];
    const auto all = std::max<std::int64_t>(1, std::accumulate(row.begin(), row.end(), std::int64_t{0}));
    out << "<tr><th scope=\"row\">" << escape_xml(matrix.classes.at(label)) << "</th>";
    for (std::size_t predicted = 0; predicted < row.size(); ++predicted) {
      const double strength = static_cast<double>(row[predicted]) / static_cast<double>(label == predicted ? all : most);
      out << "<td class=\"" << (label == predicted ? "hit" : "miss") << printed("\" style=\"--v:%.2f\">", strength) << row[predicted] << "</td>";
    }
    out << "</tr>";
  }
  out << "</tbody></table></div></figure>\n";
}

}  // namespace dsc::html
