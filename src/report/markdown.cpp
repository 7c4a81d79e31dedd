// report.md: what a CI summary shows, and the few lines printed at the end of a run.
#include <sstream>

#include "core/log.h"
#include "core/metric_facts.h"
#include "core/printed.h"
#include "report/markdown_table.h"
#include "report/report.h"
#include "report/robustness.h"

namespace dsc {
namespace {

using markdown::write_table;

std::string ratio_text(double base, double now) { return now > 0 ? printed("%.2fx", base / now) : "-"; }

void write_steps(std::ostream& out, const Report& report) {
  std::vector<std::string> columns = {"step", "time", "MACs", "parameters", "size", "smaller"};
  const auto& base = baseline_step(report);
  std::size_t place = 1;
  for (const auto& [metric, value] : base.metrics) columns.insert(columns.begin() + static_cast<std::ptrdiff_t>(place++), metric);
  std::vector<std::vector<std::string>> rows;
  for (const auto& step : report.steps) {
    std::vector<std::string> row = {std::to_string(step.index) + " " + step.name};
    for (const auto& [metric, unused] : base.metrics) {
      const auto found = step.metrics.find(metric);
      row.push_back(found == step.metrics.end() ? "-" : format_metric(metric, found->second));
    }
    for (auto& cell : {format_duration(step.seconds), format_count(step.macs), format_count(static_cast<double>(step.parameters)),
                       format_bytes(static_cast<double>(step.size_bytes)),
                       ratio_text(static_cast<double>(base.size_bytes), static_cast<double>(step.size_bytes))}) {
      row.push_back(cell);
    }
    rows.push_back(std::move(row));
  }
  out << "## Steps\n\n";
  write_table(out, columns, rows);
}

void write_robustness(std::ostream& out, const Report& report) {
  const auto tables = robustness_tables(report);
  if (!tables.empty()) out << "## Robustness\n\nMetrics under corruptions (means over their severities) and attacks.\n\n";
  for (const auto& table : tables) {
    write_table(out, table.columns, table.tests);
    if (table.severities.empty()) continue;
    out << "<details><summary>" << table.metric << " at each severity (" << table.severities.size() << " rows)</summary>\n\n";
    write_table(out, table.columns, table.severities);
    out << "</details>\n\n";
  }
}

void write_deployed(std::ostream& out, const Report& report) {
  if (report.deployed.empty()) return;
  out << "## Deployed\n\n";
  for (const auto& record : report.deployed) {
    out << "- **" << record.engine << "**:";
    for (const auto& [metric, value] : record.metrics) out << ' ' << metric << ' ' << format_metric(metric, value) << ';';
    if (record.layers_total > 0)
      out << ' ' << record.layers_int8 << " of " << record.layers_total << " convolutions, linears and matrix products run in INT8 kernels";
    if (!record.layers_not_int8.empty() && record.layers_int8 > 0) {
      out << " (not: ";
      for (std::size_t i = 0; i < record.layers_not_int8.size(); ++i) out << (i ? ", " : "") << record.layers_not_int8[i];
      out << ')';
    }
    out << '\n';
  }
  out << '\n';
}

void write_latency(std::ostream& out, const Report& report) {
  if (report.latency.empty()) return;
  out << "## Latency\n\nEngines timed in turn in this run (" << report.machine << ", " << report.threads << " threads).\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& record : report.latency) {
    double base_ms = 0;
    for (const auto& other : report.latency) {
      if (other.model == "base" && other.batch == record.batch && other.engine.starts_with("libtorch")) base_ms = other.p50_ms;
    }
    rows.push_back({record.model, record.engine, std::to_string(record.batch), printed("%.3f", record.p50_ms), printed("%.3f", record.p90_ms),
                    printed("%.3f", record.p99_ms), printed("%.0f %%", 100 * record.spread), printed("%.0f", record.throughput_per_s),
                    base_ms > 0 ? printed("%.2fx", base_ms / record.p50_ms) : "-", std::to_string(record.runs)});
  }
  write_table(out, {"model", "engine", "batch", "p50 ms", "p90 ms", "p99 ms", "spread", "per s", "faster", "runs"}, rows);
}

void write_generation(std::ostream& out, const Report& report) {
  if (report.generation.empty()) return;
  out << "## Generation\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& record : report.generation) {
    rows.push_back({record.model, record.engine, std::to_string(record.prompt), std::to_string(record.tokens), printed("%.1f", record.first_token_ms),
                    printed("%.1f", record.tokens_per_second), printed("%.0f %%", 100 * record.spread), std::to_string(record.rounds)});
  }
  write_table(out, {"model", "engine", "prompt", "tokens", "first token ms", "tokens/s", "spread", "rounds"}, rows);
}

void write_details(std::ostream& out, const Report& report) {
  for (const auto& step : report.steps) {
    if (step.notes.empty() && step.statistics.empty() && step.tables.empty()) continue;
    out << "## Step " << step.index << ": " << step.name << "\n\n";
    for (const auto& statistic : step.statistics) {
      out << "- " << statistic.name << ": " << printed("%.6g", statistic.value) << (statistic.unit.empty() ? "" : " " + statistic.unit) << '\n';
    }
    for (const auto& note : step.notes) out << "- " << note << '\n';
    out << '\n';
    for (const auto& table : step.tables) {
      out << "<details><summary>" << table.name << " (" << table.rows.size() << " rows)</summary>\n\n";
      write_table(out, table.columns, table.rows);
      out << "</details>\n\n";
    }
  }
}

}  // namespace

std::string report_markdown(const Report& report) {
  std::ostringstream out;
  out << "# " << (report.title.empty() ? report.name : report.title) << ": " << report.status << "\n\n";
  if (!report.error.empty()) out << "```\n" << report.error << "\n```\n\n";
  out << "Model `" << report.model << "`, recipe `" << report.recipe << "`, seed " << report.seed << ", dscompress " << report.tool_version
      << ", started " << report.started_at << ", " << format_duration(report.seconds) << ".\n\n";
  if (!report.steps.empty()) {
    out << report_summary(report) << '\n';
    write_steps(out, report);
  }
  write_robustness(out, report);
  write_deployed(out, report);
  write_latency(out, report);
  write_generation(out, report);
  if (!report.gates.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& gate : report.gates) rows.push_back({gate.passed ? "passed" : "**failed**", gate.metric, gate.rule, gate.message});
    out << "## Gates\n\n";
    write_table(out, {"", "metric", "rule", "measured"}, rows);
  }
  if (!report.files.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& file : report.files) {
      rows.push_back({file.path, file.format, format_bytes(static_cast<double>(file.size_bytes)),
                      file.base_size_bytes ? ratio_text(static_cast<double>(file.base_size_bytes), static_cast<double>(file.size_bytes)) : "-", file.check});
    }
    out << "## Files\n\n";
    write_table(out, {"file", "format", "size", "smaller than the base's", "check"}, rows);
  }
  if (!report.overrides.empty()) {
    out << "## Overrides\n\n";
    for (const auto& entry : report.overrides) out << "- `" << entry.path << "` = `" << entry.value << "` (" << entry.origin << ")\n";
    out << '\n';
  }
  if (!report.notes.empty()) out << "## Notes\n\n";
  for (const auto& note : report.notes) out << "- " << note << '\n';
  write_details(out, report);
  return std::move(out).str();
}

std::string report_summary(const Report& report) {
  if (report.steps.empty()) return "nothing was measured\n";
  std::ostringstream out;
  const auto comparison = compare_ends(report);
  const auto &first = baseline_step(report), &last = report.steps.back();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [metric, base] : comparison.base) {
    const auto found = comparison.compressed.find(metric);
    if (found == comparison.compressed.end()) continue;
    rows.push_back({metric, format_metric(metric, base), format_metric(metric, found->second),
                    is_share(metric) ? printed("%+.2f points", 100 * (found->second - base)) : printed("%+.4f", found->second - base)});
  }
  rows.push_back({"MACs", format_count(first.macs), format_count(last.macs), ratio_text(first.macs, last.macs)});
  rows.push_back({"parameters", format_count(static_cast<double>(first.parameters)), format_count(static_cast<double>(last.parameters)),
                  ratio_text(static_cast<double>(first.parameters), static_cast<double>(last.parameters))});
  rows.push_back({"size", format_bytes(static_cast<double>(first.size_bytes)), format_bytes(static_cast<double>(last.size_bytes)),
                  ratio_text(static_cast<double>(first.size_bytes), static_cast<double>(last.size_bytes))});
  const LatencyRecord *base = nullptr, *now = nullptr;
  for (const auto& record : report.latency) {
    if (!base && record.model == "base" && record.engine.starts_with("libtorch")) base = &record;
    const bool comparable = base && record.batch == base->batch && record.model == "compressed";
    if (comparable && (!now || !record.engine.starts_with("libtorch"))) now = &record;
  }
  if (base && now) {
    rows.push_back({"latency p50, batch " + std::to_string(base->batch), printed("%.3f ms", base->p50_ms) + " (" + base->engine + ")",
                    printed("%.3f ms", now->p50_ms) + " (" + now->engine + ")", ratio_text(base->p50_ms, now->p50_ms)});
  }
  write_table(out, {"", "base", "compressed", "change"}, rows);
  return std::move(out).str();
}

}  // namespace dsc
