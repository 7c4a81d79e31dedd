#include "nightly/page.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "core/file.h"
#include "core/log.h"
#include "core/metric_facts.h"
#include "core/tree.h"
#include "report/html_page.h"
#include "report/charts.h"

namespace dsc {
namespace {

std::string show(const std::string& figure, const Figures& figures) {
  const auto found = figures.find(figure);
  if (found == figures.end()) return "-";
  if (figure == "size") return format_bytes(found->second);
  return format_metric(figure, found->second);
}

void add_point(Series& series, std::size_t night, double value, std::string hover = {}) {
  series.x.push_back(static_cast<double>(night));
  series.y.push_back(value);
  series.hover.push_back(std::move(hover));
}

// In every figure's own unit, over all nights.
Series limit(const std::string& name, double value, std::size_t nights) {
  return {.name = name, .x = {1, static_cast<double>(nights)}, .y = {value, value}, .mark = Mark::dashes};
}

void change_unit(std::vector<Series>& series, double factor) {
  for (auto& one : series) {
    for (double& y : one.y) y *= factor;
  }
}

// What was deployed after each night, the candidates, and what the figure must keep.
std::string chart(const std::string& figure, const LoopBudgets& budgets, const std::vector<Decision>& rows) {
  Series deployed{.name = "deployed"}, promoted{.name = "promoted", .mark = Mark::dots}, others{.name = "not promoted", .mark = Mark::dots};
  double largest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i];
    const bool is_there = row.verdict == Verdict::promoted || !row.is_about_candidate() || !row.deployed.empty();
    const auto after = row.deployed_after().find(figure), own = row.figures.find(figure);
    if (is_there && after != row.deployed_after().end()) add_point(deployed, i + 1, after->second);
    if (!row.is_about_candidate() || own == row.figures.end()) continue;
    add_point(row.verdict == Verdict::promoted ? promoted : others, i + 1, own->second,
              "night " + std::to_string(i + 1) + ": " + show(figure, row.figures) + "\n" + to_text(row.verdict) + ": " + row.reason);
    largest = std::max(largest, own->second);
  }
  std::vector<Series> series{std::move(deployed), std::move(promoted), std::move(others)};
  if (const auto budget = budgets.find(figure); budget != budgets.end()) {
    if (budget->second.min) series.push_back(limit("at least", budget_value(*budget->second.min), rows.size()));
    if (budget->second.max) series.push_back(limit("at most", budget_value(*budget->second.max), rows.size()));
  }
  const auto scale = scale_of(figure, largest);
  change_unit(series, scale.factor);
  return line_chart(scale.label, "night", series, is_share(figure) ? Bounds{.low = 0, .high = 100} : Bounds{.low = 0});
}

// The compared metric, what has a budget, and the size.
std::vector<std::string> shown_figures(const Loop& loop) {
  std::vector<std::string> figures{loop.trial.metric};
  for (const auto& [figure, budget] : loop.budgets) figures.push_back(figure);
  figures.emplace_back("size");
  std::set<std::string> seen;
  std::erase_if(figures, [&](const std::string& figure) { return !seen.insert(figure).second; });
  return figures;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return out + '"';
}

}  // namespace

std::string loop_html(const Loop& loop, const std::vector<Decision>& rows) {
  const auto figures = shown_figures(loop);
  std::ostringstream out;
  out << html::head(loop.name()) << "<h1>" << escape_xml(loop.name()) << "</h1>\n";
  for (const auto& figure : figures) {
    const bool measured = std::ranges::any_of(rows, [&](const Decision& row) { return row.figures.contains(figure); });
    if (measured) out << chart(figure, loop.budgets, rows);
  }
  std::vector<std::string> columns{"night", "decided", "version", "verdict", "why it was made"};
  for (const auto& figure : figures) columns.push_back(figure);
  columns.emplace_back("reason");
  std::vector<std::vector<std::string>> table;
  for (std::size_t i = rows.size(); i-- > 0;) {
    const auto& row = rows[i];
    const auto made = !row.is_about_candidate() ? "" : row.weights.empty() ? to_text(row.trigger) : row.weights;
    std::vector<std::string> cells{std::to_string(i + 1), row.decided_at, std::to_string(row.number), to_text(row.verdict), made};
    for (const auto& figure : figures) cells.push_back(show(figure, row.figures) + (row.deployed.contains(figure) ? " (deployed " + show(figure, row.deployed) + ")" : ""));
    cells.push_back(row.reason);
    table.push_back(std::move(cells));
  }
  out << "<h2>Nights</h2>\n";
  html::write_table(out, "Nights", columns, table);
  out << html::kEnd;
  return std::move(out).str();
}

std::string loop_prometheus(const std::string& name, const NightResult& result) {
  std::ostringstream out;
  const auto family = [&](const char* family_name, const char* help) {
    out << "# HELP dscompress_nightly_" << family_name << ' ' << help << "\n# TYPE dscompress_nightly_" << family_name << " gauge\n";
  };
  const auto sample = [&](const char* family_name, const std::string& labels, double value) {
    out << "dscompress_nightly_" << family_name << "{model=" << quoted(name) << labels << "} " << number_text(value) << '\n';
  };
  family("version", "The version that is deployed; 0: none.");
  sample("version", "", static_cast<double>(result.last_good.value_or(0)));
  family("healthy", "Whether the deployed version keeps its budgets: 1 or 0.");
  sample("healthy", "", result.exit_status == 0 ? 1 : 0);
  family("figure", "Figures of the deployed version; latency in ms, size in bytes.");
  for (const auto& [figure, value] : result.figures) sample("figure", ",figure=" + quoted(figure), value);
  family("budget_kept", "Whether a budget is kept: 1 or 0.");
  for (const auto& budget : result.budgets) sample("budget_kept", ",figure=" + quoted(budget.metric) + ",rule=" + quoted(budget.rule), budget.passed ? 1 : 0);
  return std::move(out).str();
}

void write_loop_files(const Loop& loop, const Registry& registry, const std::vector<Decision>& rows, const NightResult& result) {
  write_file_atomically(registry.file("report.html"), loop_html(loop, rows));
  write_file_atomically(registry.file("metrics.prom"), loop_prometheus(loop.name(), result));
}

}  // namespace dsc
