// report.html: one file that opens offline.
#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "core/log.h"
#include "core/metric_facts.h"
#include "core/printed.h"
#include "report/html_page.h"
#include "report/report.h"
#include "report/svg.h"

namespace dsc {
namespace {

using html::write_card;
using html::write_table;

void write_cards(std::ostream& out, const Report& report) {
  const auto comparison = compare_ends(report);
  const auto &first = baseline_step(report), &last = report.steps.back();
  out << "<div class=\"cards\">";
  for (const auto& [metric, base] : comparison.base) {
    const auto found = comparison.compressed.find(metric);
    if (found != comparison.compressed.end()) write_card(out, metric, format_metric(metric, found->second), "base " + format_metric(metric, base));
  }
  if (comparison.size_ratio) {
    write_card(out, "size", printed("%.1fx smaller", *comparison.size_ratio),
               format_bytes(static_cast<double>(first.size_bytes)) + " to " + format_bytes(static_cast<double>(last.size_bytes)));
  }
  if (comparison.macs_ratio) write_card(out, "MACs", printed("%.2fx fewer", *comparison.macs_ratio), format_count(first.macs) + " to " + format_count(last.macs));
  if (comparison.latency_speedup) write_card(out, "latency", printed("%.1fx faster", *comparison.latency_speedup), "than the base in LibTorch f32");
  out << "</div>\n";
}

// Accuracies end at 1.
Bounds bounds_of(const std::string& metric) { return is_share(metric) ? Bounds{0, 1} : Bounds{}; }

void write_steps(std::ostream& out, const Report& report) {
  out << "<h2>Steps</h2>\n";
  const auto& base = baseline_step(report);
  std::vector<std::string> columns = {"step", "time"};
  for (const auto& [metric, unused] : base.metrics) columns.push_back(metric);
  for (const auto* column : {"MACs", "parameters", "size"}) columns.emplace_back(column);
  std::vector<std::vector<std::string>> rows;
  std::vector<Bar> sizes, macs;
  for (const auto& step : report.steps) {
    const auto label = std::to_string(step.index) + " " + step.name;
    std::vector<std::string> row = {label, format_duration(step.seconds)};
    for (const auto& [metric, unused] : base.metrics) {
      const auto found = step.metrics.find(metric);
      row.push_back(found == step.metrics.end() ? "-" : format_metric(metric, found->second));
    }
    const auto bytes = static_cast<double>(step.size_bytes);
    row.insert(row.end(), {format_count(step.macs), format_count(static_cast<double>(step.parameters)), format_bytes(bytes)});
    rows.push_back(std::move(row));
    sizes.push_back({label, bytes, format_bytes(bytes)});
    macs.push_back({label, step.macs, format_count(step.macs)});
  }
  write_table(out, columns, rows);
  out << bar_chart("Size after each step", sizes) << bar_chart("MACs after each step", macs);
  const bool is_large = base.size_bytes >= 1000000;
  for (const auto& [metric, unused] : base.metrics) {
    std::vector<Dot> dots;
    for (const auto& step : report.steps) {
      const auto found = step.metrics.find(metric);
      if (step.index >= base.index && found != step.metrics.end()) dots.push_back({step.name, static_cast<double>(step.size_bytes) / (is_large ? 1e6 : 1e3), found->second});
    }
    out << path_chart(metric + " against size", is_large ? "size, MB" : "size, kB", metric, dots, bounds_of(metric));
  }
  out << '\n';
}

void write_generation(std::ostream& out, const Report& report) {
  if (report.generation.empty()) return;
  std::vector<std::vector<std::string>> rows;
  std::vector<Bar> bars;
  for (const auto& r : report.generation) {
    rows.push_back({r.model, r.engine, std::to_string(r.prompt), std::to_string(r.tokens), printed("%.1f", r.first_token_ms), printed("%.1f", r.tokens_per_second),
                    printed("%.0f %%", 100 * r.spread)});
    bars.push_back({r.model + ", " + r.engine, r.tokens_per_second, printed("%.1f tokens/s", r.tokens_per_second)});
  }
  out << "<h2>Generation</h2>\n";
  write_table(out, {"model", "engine", "prompt", "tokens", "first token ms", "tokens/s", "spread"}, rows);
  out << bar_chart("Tokens a second behind the first", bars);
}

void write_deployment(std::ostream& out, const Report& report) {
  if (!report.deployed.empty()) out << "<h2>Deployed</h2>\n";
  for (const auto& record : report.deployed) {
    out << "<p><b>" << escape_xml(record.engine) << "</b>: ";
    for (const auto& [metric, value] : record.metrics) out << escape_xml(metric) << ' ' << format_metric(metric, value) << "; ";
    out << record.layers_int8 << " of " << record.layers_total << " convolutions, linears and matrix products run in INT8 kernels.</p>\n";
  }
  write_generation(out, report);
  if (report.latency.empty()) return;
  out << "<h2>Latency</h2>\n<p>Engines timed in turn in this run: " << escape_xml(report.machine) << ", " << report.threads << (report.threads == 1 ? " thread" : " threads") << ".</p>\n";
  std::vector<std::vector<std::string>> rows;
  std::map<std::int64_t, std::vector<Bar>> bars;
  for (const auto& r : report.latency) {
    rows.push_back({r.model, r.engine, std::to_string(r.batch), printed("%.3f", r.p50_ms), printed("%.3f", r.p90_ms), printed("%.3f", r.p99_ms),
                    printed("%.0f %%", 100 * r.spread), printed("%.0f", r.throughput_per_s)});
    bars[r.batch].push_back({r.model + ", " + r.engine, r.p50_ms, printed("%.3f ms", r.p50_ms)});
  }
  write_table(out, {"model", "engine", "batch", "p50 ms", "p90 ms", "p99 ms", "spread", "examples/s"}, rows);
  for (const auto& [batch, chart] : bars) out << bar_chart("Median latency, batch " + std::to_string(batch), chart);
}

void write_gates_and_files(std::ostream& out, const Report& report) {
  if (!report.gates.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& gate : report.gates) rows.push_back({gate.passed ? "passed" : "FAILED", gate.metric, gate.rule, gate.message});
    out << "<h2>Gates</h2>\n";
    write_table(out, {"", "metric", "rule", "measured"}, rows);
  }
  if (!report.files.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& file : report.files) {
      const auto bytes = static_cast<double>(file.size_bytes), base = static_cast<double>(file.base_size_bytes);
      rows.push_back({file.path, file.format, format_bytes(bytes), base > 0 ? printed("%.2fx", base / bytes) : "-", file.check});
    }
    out << "<h2>Files</h2>\n";
    write_table(out, {"file", "format", "size", "smaller than the base's", "check"}, rows);
  }
  if (!report.overrides.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& entry : report.overrides) rows.push_back({entry.path, entry.value, entry.origin});
    out << "<h2>Overrides</h2>\n";
    write_table(out, {"path", "value", "from"}, rows);
  }
}

// Curves with the same ending share a chart: train_loss of two stages, say.
void write_curves(std::ostream& out, const StepRecord& step) {
  std::map<std::string, std::vector<Series>> charts;
  for (const auto& curve : step.curves) {
    const auto slash = curve.name.rfind('/');
    charts[slash == std::string::npos ? curve.name : curve.name.substr(slash + 1)].push_back({curve.name, curve.epochs, curve.values});
  }
  constexpr std::string_view kValid = "valid_";
  for (const auto& [name, series] : charts) {
    out << line_chart(name, "epoch", series, bounds_of(name.starts_with(kValid) ? name.substr(kValid.size()) : name));
  }
}

// A table with columns `X` and `X after` also shows, row by row, how much of X is left.
void write_what_is_left(std::ostream& out, const TableRecord& table) {
  for (std::size_t before = 0; before < table.columns.size(); ++before) {
    const auto found = std::find(table.columns.begin(), table.columns.end(), table.columns[before] + " after");
    if (found == table.columns.end()) continue;
    const auto after = static_cast<std::size_t>(found - table.columns.begin());
    std::vector<Bar> bars;
    for (const auto& row : table.rows) {
      const double from = std::atof(row.at(before).c_str()), to = std::atof(row.at(after).c_str());
      if (from > 0) bars.push_back({row.front(), to / from, row.at(after) + " of " + row.at(before)});
    }
    if (!bars.empty()) out << bar_chart(table.columns[before] + " left", bars);
  }
}

void write_details(std::ostream& out, const Report& report) {
  for (const auto& step : report.steps) {
    if (step.notes.empty() && step.statistics.empty() && step.tables.empty() && step.curves.empty()) continue;
    out << "<h2>Step " << step.index << ": " << escape_xml(step.name) << "</h2>\n<ul>";
    for (const auto& statistic : step.statistics) {
      out << "<li>" << escape_xml(statistic.name) << ": " << printed("%.6g", statistic.value) << ' ' << escape_xml(statistic.unit) << "</li>";
    }
    for (const auto& note : step.notes) out << "<li>" << escape_xml(note) << "</li>";
    out << "</ul>\n";
    write_curves(out, step);
    for (const auto& table : step.tables) {
      out << "<details><summary>" << escape_xml(table.name) << " (" << table.rows.size() << " rows)</summary>";
      write_table(out, table.columns, table.rows);
      write_what_is_left(out, table);
      out << "</details>\n";
    }
  }
}

}  // namespace

std::string report_html(const Report& report) {
  std::ostringstream out;
  out << html::head(report.name) << "<h1>" << escape_xml(report.name) << " <span class=\"status "
      << escape_xml(report.status) << "\">" << escape_xml(report.status) << "</span></h1>\n<p>Model " << escape_xml(report.model) << ", recipe "
      << escape_xml(report.recipe) << ", seed " << report.seed << ", dscompress " << escape_xml(report.tool_version) << ", started "
      << escape_xml(report.started_at) << ", " << format_duration(report.seconds) << ".</p>\n";
  if (!report.error.empty()) out << "<pre>" << escape_xml(report.error) << "</pre>\n";
  if (!report.steps.empty()) {
    write_cards(out, report);
    write_steps(out, report);
  }
  write_deployment(out, report);
  write_gates_and_files(out, report);
  if (!report.notes.empty()) out << "<h2>Notes</h2>\n";
  for (const auto& note : report.notes) out << "<p>" << escape_xml(note) << "</p>\n";
  write_details(out, report);
  out << html::kEnd;
  return std::move(out).str();
}

}  // namespace dsc
