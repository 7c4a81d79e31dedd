// report.html: one file that opens offline.
#include <algorithm>
#include <sstream>
#include <string_view>

#include "core/log.h"
#include "core/printed.h"
#include "report/html_page.h"
#include "report/html_sections.h"
#include "report/report.h"
#include "report/robustness.h"

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

void write_generation(std::ostream& out, const Report& report) {
  if (report.generation.empty()) return;
  std::vector<std::vector<std::string>> rows;
  std::vector<Bar> bars;
  for (const auto& r : report.generation) {
    rows.push_back({r.model, r.engine, std::to_string(r.prompt), std::to_string(r.tokens), printed("%.1f", r.first_token_ms), printed("%.1f", r.tokens_per_second),
                    printed("%.0f %%", 100 * r.spread)});
    bars.push_back({r.model + ", " + r.engine, r.tokens_per_second, printed("%.1f tokens/s", r.tokens_per_second)});
  }
  out << "<h2 id=\"generation\">Generation</h2>\n";
  write_table(out, "Generation", {"model", "engine", "prompt", "tokens", "first token ms", "tokens/s", "spread"}, rows);
  out << bar_chart("Tokens a second behind the first", bars);
}

void write_robustness(std::ostream& out, const Report& report) {
  const auto tables = robustness_tables(report);
  if (!tables.empty()) out << "<h2 id=\"robustness\">Robustness</h2>\n<p>Metrics under corruptions (means over their severities) and attacks.</p>\n";
  for (const auto& table : tables) {
    write_table(out, table.metric + " under tests", table.columns, table.tests);
    if (table.severities.empty()) continue;
    auto lines = table.lines;
    for (Series& line : lines) {
      for (double& value : line.y) value = html::on_axis(table.metric, value);
    }
    out << line_chart(table.metric + " under corruption, mean of all", "severity (0: clean)", lines, html::axis_bounds(table.metric)) << "<details><summary>"
        << escape_xml(table.metric) << " at each severity (" << table.severities.size() << " rows)</summary>";
    write_table(out, table.metric + " at each severity", table.columns, table.severities);
    out << "</details>\n";
  }
}

void write_deployment(std::ostream& out, const Report& report) {
  if (!report.deployed.empty()) out << "<h2 id=\"deployed\">Deployed</h2>\n";
  for (const auto& record : report.deployed) {
    out << "<p><b>" << escape_xml(record.engine) << "</b>: ";
    for (const auto& [metric, value] : record.metrics) out << escape_xml(metric) << ' ' << format_metric(metric, value) << "; ";
    if (record.layers_total > 0)
      out << record.layers_int8 << " of " << record.layers_total << " convolutions, linears and matrix products run in INT8 kernels.";
    out << "</p>\n";
  }
  write_generation(out, report);
  if (report.latency.empty()) return;
  out << "<h2 id=\"latency\">Latency</h2>\n<p>Engines timed in turn in this run: " << escape_xml(report.machine) << ", " << report.threads << (report.threads == 1 ? " thread" : " threads") << ".</p>\n";
  std::vector<std::vector<std::string>> rows;
  std::map<std::int64_t, std::vector<Bar>> bars;
  for (const auto& r : report.latency) {
    rows.push_back({r.model, r.engine, std::to_string(r.batch), printed("%.3f", r.p50_ms), printed("%.3f", r.p90_ms), printed("%.3f", r.p99_ms),
                    printed("%.0f %%", 100 * r.spread), printed("%.0f", r.throughput_per_s)});
    bars[r.batch].push_back({r.model + ", " + r.engine, r.p50_ms, printed("%.3f ms", r.p50_ms)});
  }
  write_table(out, "Latency", {"model", "engine", "batch", "p50 ms", "p90 ms", "p99 ms", "spread", "examples/s"}, rows);
  for (const auto& [batch, chart] : bars) out << bar_chart("Median latency, batch " + std::to_string(batch), chart);
}

void write_gates(std::ostream& out, const Report& report) {
  if (!report.gates.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& gate : report.gates) rows.push_back({gate.passed ? "passed" : "FAILED", gate.metric, gate.rule, gate.message});
    out << "<h2 id=\"gates\">Gates</h2>\n";
    write_table(out, "Gates", {"", "metric", "rule", "measured"}, rows);
  }
}

void write_files(std::ostream& out, const Report& report) {
  if (!report.files.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& file : report.files) {
      const auto bytes = static_cast<double>(file.size_bytes), base = static_cast<double>(file.base_size_bytes);
      rows.push_back({file.path, file.format, format_bytes(bytes), base > 0 ? printed("%.2fx", base / bytes) : "-", file.check});
    }
    out << "<h2 id=\"files\">Files</h2>\n";
    write_table(out, "Files", {"file", "format", "size", "smaller than the base's", "check"}, rows);
  }
  if (!report.overrides.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& entry : report.overrides) rows.push_back({entry.path, entry.value, entry.origin});
    out << "<h2 id=\"overrides\">Overrides</h2>\n";
    write_table(out, "Overrides", {"path", "value", "from"}, rows);
  }
}

// Links to the sections, of which there are many: those with an id.
std::string navigation(const std::string& body) {
  std::string html = "<nav aria-label=\"Sections\"><ul>";
  const std::string_view mark = "<h2 id=\"";
  for (std::size_t at = body.find(mark); at != std::string::npos; at = body.find(mark, at)) {
    at += mark.size();
    const auto quote = body.find('"', at), end = body.find("</h2>", quote);
    html += "<li><a href=\"#" + body.substr(at, quote - at) + "\">" + body.substr(quote + 2, end - quote - 2) + "</a></li>";
  }
  return html + "</ul></nav>\n";
}

}  // namespace

std::string report_html(const Report& report) {
  std::ostringstream out;
  const std::string& heading = report.title.empty() ? report.name : report.title;
  out << html::head(heading) << "<h1>" << escape_xml(heading) << " <span class=\"status " << escape_xml(report.status) << "\">"
      << escape_xml(report.status) << "</span></h1>\n<p>Model " << escape_xml(report.model) << ", recipe " << escape_xml(report.recipe) << ", seed "
      << report.seed << ", dscompress " << escape_xml(report.tool_version) << ", started " << escape_xml(report.started_at) << ", "
      << format_duration(report.seconds) << ".</p>\n";
  if (!report.error.empty()) out << "<pre>" << escape_xml(report.error) << "</pre>\n";
  if (!report.steps.empty()) write_cards(out, report);
  std::ostringstream sections;
  write_gates(sections, report);
  html::write_steps(sections, report);
  write_robustness(sections, report);
  write_deployment(sections, report);
  html::write_layers(sections, report);
  html::write_examples(sections, report);
  write_files(sections, report);
  if (!report.notes.empty()) sections << "<h2 id=\"notes\">Notes</h2>\n";
  for (const auto& note : report.notes) sections << "<p>" << escape_xml(note) << "</p>\n";
  html::write_details(sections, report);
  const auto body = std::move(sections).str();
  out << navigation(body) << body << html::kEnd;
  return std::move(out).str();
}

}  // namespace dsc
