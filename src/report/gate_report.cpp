#include "report/gate_report.h"

#include <sstream>

#include "core/fields_write.h"
#include "core/printed.h"
#include "core/tree.h"
#include "report/markdown_table.h"

namespace dsc {
namespace {

// What stands beside the decision.
std::string evidence_text(const BaselineCheck& check) {
  if (check.paired) {
    const auto flips = flips_text(*check.paired);
    return "difference " + paired_text(check.gate.metric, *check.paired) + (flips.empty() ? "" : "; " + flips);
  }
  if (!check.retimed) return check.note;
  const auto& timed = *check.retimed;
  std::string text = timed.method + ": " + printed("%+.1f %% [%+.1f, %+.1f], noise %.1f %%", 100 * timed.growth, 100 * timed.low, 100 * timed.high, 100 * timed.noise);
  if (timed.mann_whitney_p) text += printed(", p %.3g", *timed.mann_whitney_p);
  if (!timed.note.empty()) text += "; " + timed.note;
  return text;
}

std::string headline(const GateReport& report) {
  if (report.status == "first") return report.run + ": first run, there is no baseline yet";
  return report.run + " against " + report.baseline + ": " + report.status;
}

}  // namespace

void RetimedRecord::fields(FieldVisitor& visit) {
  visit("method", method, {.text = "timed in turn, or speed-ups of the runs."});
  visit("engine", engine, {.text = "What ran this run's model."});
  visit("batch", batch, {.text = "Examples per run."});
  visit("baseline_ms", baseline_ms, {.text = "Of the baseline's model: least times of rounds, their median.", .unit = "ms"});
  visit("now_ms", now_ms, {.text = "The same of this run's model.", .unit = "ms"});
  visit("growth", growth, {.text = "By how much it is slower.", .unit = "fraction"});
  visit("low", low, {.text = "Lower end of its 90 % interval.", .unit = "fraction"});
  visit("high", high, {.text = "Upper end.", .unit = "fraction"});
  visit("noise", noise, {.text = "By how much a model differed from itself; added to what is allowed.", .unit = "fraction"});
  visit("mann_whitney_p", mann_whitney_p, {.text = "Test of Mann and Whitney on the rounds' times, two-sided."});
  visit("rounds", rounds, {.text = "Rounds that were timed."});
  visit("note", note, {.text = "Why the noise is larger than it should be."});
}

void BaselineCheck::fields(FieldVisitor& visit) {
  visit("gate", gate, {.text = "The rule and whether it is kept."});
  visit("baseline", baseline, {.text = "The baseline's figure."});
  visit("now", now, {.text = "This run's figure."});
  visit("paired", paired, {.text = "What both made of the same examples."});
  visit("retimed", retimed, {.text = "How the latencies were compared."});
  visit("note", note, {.text = "Why no interval stands beside it."});
}

void GateReport::fields(FieldVisitor& visit) {
  visit("version", version, {.text = "Version of this form."});
  visit("tool_version", tool_version, {.text = "Version of dscompress."});
  visit("run", run, {.text = "The run that was checked."});
  visit("baseline", baseline, {.text = "What it was compared with."});
  visit("name", name, {.text = "The recipe's name."});
  visit("status", status, {.text = "passed, failed, anomalous, or first: there was no baseline."});
  visit("seconds", seconds, {.text = "Wall time of the check.", .unit = "s"});
  visit("checks", checks, {.text = "One for each rule."});
  visit("anomalies", anomalies, {.text = "Figures nobody should believe."});
  visit("notes", notes, {.text = "What to bear in mind."});
}

std::string gate_json(const GateReport& report) { return to_json(write_fields(report)) + "\n"; }

std::string gate_text(const GateReport& report) {
  std::ostringstream out;
  out << headline(report) << '\n';
  for (const auto& check : report.checks) {
    out << (check.gate.passed ? "  passed: " : "  FAILED: ") << check.gate.message;
    if (const auto evidence = evidence_text(check); !evidence.empty()) out << " (" << evidence << ')';
    out << '\n';
  }
  for (const auto& anomaly : report.anomalies) out << "  ANOMALOUS: " << anomaly << '\n';
  for (const auto& note : report.notes) out << "  " << note << '\n';
  return std::move(out).str();
}

std::string gate_markdown(const GateReport& report) {
  std::ostringstream out;
  out << "# " << headline(report) << "\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& check : report.checks) {
    rows.push_back({check.gate.passed ? "passed" : "**failed**", check.gate.metric, check.gate.rule, check.gate.message, evidence_text(check)});
  }
  if (!rows.empty()) markdown::write_table(out, {"", "metric", "rule", "measured", "beside it"}, rows);
  for (const auto& anomaly : report.anomalies) out << "- **anomalous**: " << anomaly << '\n';
  for (const auto& note : report.notes) out << "- " << note << '\n';
  return std::move(out).str();
}

std::string gate_junit(const GateReport& report) {
  Report as_run;
  as_run.name = report.name + " against its baseline";
  as_run.seconds = report.seconds;
  for (const auto& anomaly : report.anomalies) as_run.error += (as_run.error.empty() ? "" : "; ") + anomaly;
  for (const auto& check : report.checks) as_run.gates.push_back(check.gate);
  return report_junit(as_run);
}

}  // namespace dsc
