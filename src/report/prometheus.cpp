#include "report/prometheus.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "core/tree.h"

namespace dsc {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string escape_label(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') escaped += "\\\\";
    else if (c == '"') escaped += "\\\"";
    else if (c == '\n') escaped += "\\n";
    else escaped += c;
  }
  return escaped;
}

std::string value_text(double value) { return std::isnan(value) ? "NaN" : std::isinf(value) ? (value > 0 ? "+Inf" : "-Inf") : number_text(value); }

// Samples of one name stand together below its HELP and TYPE, which the format wants once.
class Family {
 public:
  Family(std::ostream& out, const std::string& run, std::string name, const char* help) : out_(out), run_(run), name_(std::move(name)) {
    out_ << "# HELP " << name_ << ' ' << help << "\n# TYPE " << name_ << " gauge\n";
  }
  void add(const Labels& labels, double value) {
    out_ << name_ << "{run=\"" << escape_label(run_) << '"';
    for (const auto& [label, text] : labels) out_ << ',' << label << "=\"" << escape_label(text) << '"';
    out_ << "} " << value_text(value) << '\n';
  }

 private:
  std::ostream& out_;
  const std::string& run_;
  std::string name_;
};

void write_models(std::ostream& out, const Report& report) {
  const auto comparison = compare_ends(report);
  const auto &base = baseline_step(report), &last = report.steps.back();
  const auto both = [&](const char* name, const char* help, auto figure) {
    Family family(out, report.name, name, help);
    family.add({{"model", "base"}}, static_cast<double>(figure(base)));
    family.add({{"model", "compressed"}}, static_cast<double>(figure(last)));
  };
  both("dscompress_size_bytes", "Bytes of the weights as they are stored.", [](const StepRecord& step) { return step.size_bytes; });
  both("dscompress_macs", "Multiply-accumulates of one example.", [](const StepRecord& step) { return step.macs; });
  both("dscompress_parameters", "Parameters.", [](const StepRecord& step) { return step.parameters; });
  Family metrics(out, report.name, "dscompress_metric", "Metrics on the evaluation data.");
  for (const auto& [metric, value] : comparison.base) metrics.add({{"model", "base"}, {"metric", metric}}, value);
  for (const auto& [metric, value] : comparison.compressed) metrics.add({{"model", "compressed"}, {"metric", metric}}, value);
}

void write_latencies(std::ostream& out, const Report& report) {
  for (const auto& [quantile, member] : {std::pair{"p50", &LatencyRecord::p50_ms}, {"p90", &LatencyRecord::p90_ms}, {"p99", &LatencyRecord::p99_ms}}) {
    Family family(out, report.name, std::string("dscompress_latency_") + quantile + "_seconds", "Latency of one batch.");
    for (const auto& r : report.latency) family.add({{"model", r.model}, {"engine", r.engine}, {"batch", std::to_string(r.batch)}}, r.*member / 1000);
  }
}

void write_gate(std::ostream& out, const std::string& run, const std::string& kind, const std::vector<GateRecord>& gates) {
  if (gates.empty()) return;
  Family family(out, run, "dscompress_" + kind + "_passed", "Whether a gate is kept: 1 or 0.");
  for (const auto& gate : gates) family.add({{"metric", gate.metric}, {"rule", gate.rule}}, gate.passed ? 1 : 0);
}

}  // namespace

std::string prometheus_text(const Report& report, const GateReport* gate) {
  std::ostringstream out;
  Family(out, report.name, "dscompress_run_passed", "Whether the run ended well: 1 or 0.").add({{"status", report.status}}, report.status == "passed" ? 1 : 0);
  Family(out, report.name, "dscompress_run_duration_seconds", "Wall time of the run.").add({}, report.seconds);
  Family(out, report.name, "dscompress_run_memory_bytes", "Resident memory of the run at its largest.").add({}, static_cast<double>(report.peak_memory_bytes));
  if (!report.steps.empty()) write_models(out, report);
  if (!report.latency.empty()) write_latencies(out, report);
  write_gate(out, report.name, "gate", report.gates);
  if (!gate) return std::move(out).str();
  const bool passed = gate->status == "passed" || gate->status == "first";
  Family(out, report.name, "dscompress_baseline_passed", "Whether the run is no worse than its baseline: 1 or 0.").add({{"status", gate->status}}, passed ? 1 : 0);
  std::vector<GateRecord> records;
  for (const auto& check : gate->checks) records.push_back(check.gate);
  write_gate(out, report.name, "baseline_gate", records);
  return std::move(out).str();
}

}  // namespace dsc
