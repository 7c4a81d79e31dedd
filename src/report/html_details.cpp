// What each step said: figures, notes, curves, tables.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <string_view>

#include "core/metric_facts.h"
#include "core/printed.h"
#include "report/html_page.h"
#include "report/html_sections.h"

namespace dsc::html {
namespace {

// Curves with the same ending share a chart: train_loss of two stages, say.
void write_curves(std::ostream& out, const StepRecord& step) {
  std::map<std::string, std::vector<Series>> charts;
  for (const auto& curve : step.curves) {
    const auto slash = curve.name.rfind('/');
    charts[slash == std::string::npos ? curve.name : curve.name.substr(slash + 1)].push_back({curve.name, curve.epochs, curve.values});
  }
  constexpr std::string_view kValid = "valid_";
  for (auto& [name, series] : charts) {
    const auto metric = name.starts_with(kValid) ? name.substr(kValid.size()) : name;
    for (auto& one : series) {
      for (double& y : one.y) y = on_axis(metric, y);
    }
    out << line_chart(is_share(metric) ? name + ", %" : name, "epoch", series, axis_bounds(metric));
  }
}

std::size_t column_of(const TableRecord& table, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(table.columns, name) - table.columns.begin());
}

// A table with columns `X` and `X after` also shows, row by row, how much of X is left.
void write_what_is_left(std::ostream& out, const TableRecord& table) {
  for (std::size_t before = 0; before < table.columns.size(); ++before) {
    const auto after = column_of(table, table.columns[before] + " after");
    if (after == table.columns.size()) continue;
    std::vector<Bar> bars;
    for (const auto& row : table.rows) {
      const double from = std::atof(row.at(before).c_str()), to = std::atof(row.at(after).c_str());
      if (from > 0) bars.push_back({row.front(), to, row.at(after) + " of " + row.at(before), from});
    }
    out << bar_chart(table.columns[before] + " left", bars);
  }
}

// One with columns `minimum` and `maximum` shows the ranges, those of each kind on an axis of their own.
void write_ranges(std::ostream& out, const TableRecord& table) {
  const auto none = table.columns.size(), low = column_of(table, "minimum"), high = column_of(table, "maximum"), name = column_of(table, "tensor"), kind = column_of(table, "kind");
  if (low == none || high == none) return;
  std::map<std::string, std::vector<Span>> kinds;
  for (const auto& row : table.rows) {
    const double from = std::atof(row.at(low).c_str()), to = std::atof(row.at(high).c_str());
    if (to > from) kinds[kind == none ? "" : row.at(kind)].push_back({row.at(name == none ? 0 : name), from, to, row.at(low) + " to " + row.at(high)});
  }
  for (const auto& [one, spans] : kinds) out << span_chart("Ranges" + (one.empty() ? "" : ", " + one), spans);
}

// Latency, or else multiply-accumulates, of each row of a table that says it of all: of thresholds, widths, resolutions. Its size: none.
std::size_t cost_column_of(const TableRecord& table) {
  for (const auto& meant : {std::string("mean ms"), std::string("p50 ms of "), std::string("mean MACs")}) {
    const auto found = std::ranges::find_if(table.columns, [&](const std::string& column) { return column.starts_with(meant); });
    if (found != table.columns.end()) return static_cast<std::size_t>(found - table.columns.begin());
  }
  return table.columns.size();
}

// One with a column `top1` and such a cost shows accuracy over it, a point for each row.
void write_accuracy_over_cost(std::ostream& out, const TableRecord& table) {
  const auto none = table.columns.size(), accuracy = column_of(table, "top1"), cost = cost_column_of(table);
  if (accuracy == none || cost == none) return;
  std::vector<Point> points;
  for (const auto& row : table.rows)
    points.push_back({std::atof(row.at(cost).c_str()), std::atof(row.at(accuracy).c_str()), table.columns.front() + " " + row.front()});
  mark_front(points, true);
  out << scatter_chart("top1 over " + table.columns[cost], table.columns[cost] + (table.columns[cost].find(" ms") != std::string::npos ? "" : ", %"),
                       "top1, %", points, axis_bounds("top1"));
}

void write_said(std::ostream& out, const StepRecord& step) {
  if (step.statistics.empty() && step.notes.empty()) return;
  out << "<ul>";
  for (const auto& statistic : step.statistics) {
    out << "<li>" << escape_xml(statistic.name) << ": " << printed("%.6g", statistic.value) << ' ' << escape_xml(statistic.unit) << "</li>";
  }
  for (const auto& note : step.notes) out << "<li>" << escape_xml(note) << "</li>";
  out << "</ul>\n";
}

}  // namespace

void write_details(std::ostream& out, const Report& report) {
  for (const auto& step : report.steps) {
    if (step.notes.empty() && step.statistics.empty() && step.tables.empty() && step.curves.empty()) continue;
    const auto label = "Step " + std::to_string(step.index) + ": " + step.name;
    out << "<h2 id=\"step-" << step.index << "\">" << escape_xml(label) << "</h2>\n";
    write_said(out, step);
    write_curves(out, step);
    for (const auto& table : step.tables) {
      out << "<details><summary>" << escape_xml(table.name) << " (" << table.rows.size() << " rows)</summary>";
      write_table(out, label + ", " + table.name, table.columns, table.rows);
      write_what_is_left(out, table);
      write_ranges(out, table);
      write_accuracy_over_cost(out, table);
      out << "</details>\n";
    }
  }
}

}  // namespace dsc::html
