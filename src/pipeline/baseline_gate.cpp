#include "pipeline/baseline_gate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/printed.h"
#include "dscompress/error.h"
#include "pipeline/gates.h"
#include "pipeline/pair_runs.h"
#include "pipeline/retime.h"
#include "pipeline/version.h"

namespace dsc {
namespace {

std::optional<double> find_value(const std::map<std::string, double>& values, const std::string& name) {
  const auto found = values.find(name);
  return found == values.end() ? std::nullopt : std::optional(found->second);
}

std::optional<double> find_figure(const FinishedRun& run, const std::string& figure) {
  const auto& last = run.report.steps.back();
  if (figure == "size") return static_cast<double>(last.size_bytes);
  if (figure == "macs") return last.macs;
  if (figure == "parameters") return static_cast<double>(last.parameters);
  return run.report.peak_memory_bytes > 0 ? std::optional(static_cast<double>(run.report.peak_memory_bytes)) : std::nullopt;
}

// noise: share that is allowed on top, so that no alarm comes from the measurement itself.
GateRecord check_growth(const std::string& figure, double allowed_percent, std::optional<double> growth, double noise = 0) {
  GateRecord record{.metric = figure, .rule = printed("max_growth %g%%", allowed_percent), .bound = allowed_percent};
  if (!growth) {
    record.message = figure + " was not measured";
    return record;
  }
  record.measured = 100 * *growth;
  record.passed = 100 * (*growth - noise) <= allowed_percent + 1e-9;
  record.message =
      printed("%s %s by %.3g %%, %g %% of growth allowed", figure.c_str(), *growth < 0 ? "shrank" : "grew", 100 * std::abs(*growth), allowed_percent);
  if (noise > 0) record.message += printed(" and %.2g %% of noise", 100 * noise);
  return record;
}

BaselineCheck check_metric(const std::string& metric, const Quantity& allowed, const FinishedRun& baseline, const FinishedRun& run) {
  const auto model = common_model({&baseline, &run});
  BaselineCheck check;
  check.baseline = find_value(metrics_of(baseline, model), metric);
  check.now = find_value(metrics_of(run, model), metric);
  check.gate = check_drop(metric, allowed, check.baseline, check.now);
  if (!check.baseline || !check.now) return check;
  check.paired = compare_outcomes(baseline, run, model, metric);
  if (!check.paired) check.note = "no interval: outcomes of single examples were not kept by both runs";
  return check;
}

BaselineCheck check_latency(const Quantity& allowed, const FinishedRun& baseline, const FinishedRun& run, const BaselineGateOptions& options) {
  BaselineCheck check;
  check.retimed = compare_latencies(baseline, run, *options.passes, options.threads);
  const auto& timed = check.retimed;
  check.gate = check_growth("latency_p50", allowed.value, timed ? std::optional(timed->growth) : std::nullopt, timed ? timed->noise : 0);
  if (!timed) return check;
  check.baseline = timed->baseline_ms;
  check.now = timed->now_ms;
  return check;
}

BaselineCheck check_figure(const std::string& figure, const Quantity& allowed, const FinishedRun& baseline, const FinishedRun& run) {
  BaselineCheck check{.baseline = find_figure(baseline, figure), .now = find_figure(run, figure)};
  const bool comparable = check.baseline && check.now && *check.baseline > 0;
  check.gate = check_growth(figure, allowed.value, comparable ? std::optional(*check.now / *check.baseline - 1) : std::nullopt);
  return check;
}

bool is_figure(const std::string& metric) { return std::count(baseline_figures().begin(), baseline_figures().end(), metric) > 0; }

void refuse_what_cannot_be_compared(const FinishedRun& baseline, const FinishedRun& run, const BaselineRules& rules) {
  if (rules.empty()) {
    throw Error(ErrorCode::usage, "there is no rule to check", {}, "give --rule 'top1: {max_drop: 0.3pp}', or gates.baseline in the run's recipe");
  }
  const bool any_metric = std::any_of(rules.begin(), rules.end(), [](const auto& rule) { return !is_figure(rule.first); });
  if (const auto reason = any_metric ? reason_against_comparing(baseline, run) : ""; !reason.empty()) {
    throw Error(ErrorCode::data, reason, {.file = baseline.path}, "compress the baseline's model again with this recipe's data.eval, or start anew with --first and another baseline");
  }
}

// Of all metrics, whether a rule names them or not.
std::vector<std::string> implausible_gains(const FinishedRun& baseline, const FinishedRun& run) {
  std::vector<std::string> anomalies;
  const auto model = common_model({&baseline, &run});
  const auto& before = metrics_of(baseline, model);
  for (const auto& [metric, now] : metrics_of(run, model)) {
    const auto value = find_value(before, metric);
    if (!std::isfinite(now)) anomalies.push_back(metric + " is not a finite number");
    if (!value || !is_implausible_gain(metric, *value, now)) continue;
    anomalies.push_back(metric + " rose from " + format_metric(metric, *value) + " to " + format_metric(metric, now) + ", which is not plausible: check data and labels");
  }
  return anomalies;
}

// A run that its own gates turned down is not let in by a worse baseline.
void check_own_status(const FinishedRun& run, GateReport& report) {
  BaselineCheck check{.gate = {.metric = "run", .rule = "status passed", .passed = run.report.status == "passed"}};
  check.gate.measured = check.gate.passed ? 1 : 0;
  check.gate.bound = 1;
  check.gate.message = "the run's own status is " + run.report.status;
  report.checks.push_back(std::move(check));
  if (run.report.status == "anomalous") report.anomalies.push_back("the run itself is anomalous");
}

GateReport start_report(const FinishedRun& run, const std::string& baseline) {
  GateReport report{.tool_version = std::string(version()), .run = run.path, .baseline = baseline, .name = run.report.name};
  check_own_status(run, report);
  return report;
}

void set_status(GateReport& report, const char* good) {
  const auto& checks = report.checks;
  const bool complete = std::all_of(checks.begin(), checks.end(), [](const BaselineCheck& check) { return check.gate.measured.has_value(); });
  const bool passed = std::all_of(checks.begin(), checks.end(), [](const BaselineCheck& check) { return check.gate.passed; });
  report.status = !report.anomalies.empty() || !complete ? "anomalous" : passed ? good : "failed";
}

}  // namespace

GateReport check_against_baseline(const FinishedRun& run, const FinishedRun& baseline, const BaselineGateOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  refuse_what_cannot_be_compared(baseline, run, options.rules);
  auto report = start_report(run, baseline.path);
  for (const auto& [metric, rule] : options.rules) {
    if (rule.max_drop) report.checks.push_back(check_metric(metric, *rule.max_drop, baseline, run));
    if (!rule.max_growth) continue;
    report.checks.push_back(metric == "latency_p50" ? check_latency(*rule.max_growth, baseline, run, options)
                                                    : check_figure(metric, *rule.max_growth, baseline, run));
  }
  report.anomalies = [&] {
    auto all = std::move(report.anomalies);
    const auto gains = implausible_gains(baseline, run);
    all.insert(all.end(), gains.begin(), gains.end());
    return all;
  }();
  if (baseline.report.status != "passed") report.notes.push_back("the baseline's own status is " + baseline.report.status);
  set_status(report, "passed");
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

GateReport first_of_its_kind(const FinishedRun& run, const std::string& baseline) {
  auto report = start_report(run, baseline);
  set_status(report, "first");
  return report;
}

int exit_status(const GateReport& report) {
  if (report.status == "passed" || report.status == "first") return 0;
  return exit_status(report.status == "failed" ? ErrorCode::gate : ErrorCode::numeric);
}

}  // namespace dsc
