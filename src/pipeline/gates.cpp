#include "pipeline/gates.h"
#include "core/metric_facts.h"
#include "core/printed.h"

#include <algorithm>
#include <cmath>

namespace dsc {
namespace {

// What a gate can look at: the base's and the compressed model's figure, and how many times better the latter is.
struct Figures {
  std::optional<double> base, now, ratio;
  std::string metric = {};  // that it is one of, where it has another name
};

const RobustnessFigure* find_figure(const StepRecord& step, const std::string& name) {
  const auto found = std::ranges::find(step.robustness_figures, name, &RobustnessFigure::name);
  return found == step.robustness_figures.end() ? nullptr : &*found;
}

Figures find_figures(const std::string& metric, const Report& report) {
  if (report.steps.empty()) return {};
  const auto comparison = compare_ends(report);
  const auto &first = baseline_step(report), &last = report.steps.back();
  if (metric == "size") return {static_cast<double>(first.size_bytes), static_cast<double>(last.size_bytes), comparison.size_ratio};
  if (metric == "macs") return {first.macs, last.macs, comparison.macs_ratio};
  if (metric == "parameters") {
    return {static_cast<double>(first.parameters), static_cast<double>(last.parameters), comparison.parameters_ratio};
  }
  if (metric == "latency_p50") return {{}, {}, comparison.latency_speedup};
  if (const auto* now = find_figure(last, metric)) {
    const auto* base = find_figure(first, metric);
    return {base ? std::optional(base->value) : std::nullopt, now->value, {}, now->metric};
  }
  Figures figures;
  if (const auto found = comparison.base.find(metric); found != comparison.base.end()) figures.base = found->second;
  if (const auto found = comparison.compressed.find(metric); found != comparison.compressed.end()) figures.now = found->second;
  return figures;
}

GateRecord missing(const std::string& metric, std::string rule, double bound) {
  return {metric, std::move(rule), {}, bound, false, metric + " was not measured"};
}

GateRecord check_bound(const std::string& metric, const char* rule, double bound, std::optional<double> measured, bool at_least, const char* what) {
  const std::string text = printed("%s %g", rule, bound);
  if (!measured) return missing(metric, text, bound);
  const bool passed = at_least ? *measured >= bound : *measured <= bound;
  return {metric, text, measured, bound, passed,
          printed("%s is %.4g%s, at %s %g wanted", metric.c_str(), *measured, what, at_least ? "least" : "most", bound)};
}

}  // namespace

GateRecord check_drop(const std::string& metric, const Quantity& allowed, std::optional<double> base, std::optional<double> now, const std::string& figure) {
  const auto& name = figure.empty() ? metric : figure;
  const std::string rule = printed("max_drop %g%s", allowed.value, allowed.unit.c_str());
  if (!base || !now) return missing(name, rule, allowed.value);
  const Drop drop{metric, allowed};
  const double lost = drop.lost(*base, *now);
  const char* unit = allowed.unit == "%" ? " % of the base" : allowed.unit == "pp" ? " points" : "";
  const char* moved = *now > *base ? "rose" : "fell";
  if (!std::isfinite(lost)) {
    return {name,         rule,
            std::nullopt, allowed.value,
            false,        printed("%s %s from 0 to %.4g, and no share of 0 can be lost: allow an amount, without %%", name.c_str(), moved, *now)};
  }
  return {name,
          rule,
          lost,
          allowed.value,
          drop.allows(lost),
          printed("%s %s by %.3g%s, a loss of %g allowed", name.c_str(), moved, std::abs(lost), unit, allowed.value)};
}

std::optional<Problem> problem_with_drop_unit(const std::string& metric, const Quantity& drop, const std::string& pointer) {
  const bool share = is_share(metric);
  if (share && drop.unit.empty()) {
    return Problem{"max_drop of " + metric + " needs a unit", {.pointer = pointer}, "0.5pp is half a percentage point, 0.5% is that share of the base's value"};
  }
  if (!share && drop.unit == "pp") {
    return Problem{metric + " is no percentage: max_drop cannot be in pp", {.pointer = pointer}, "use % (of the base's value) or no unit"};
  }
  return std::nullopt;
}

bool is_implausible_gain(const std::string& metric, double base, double now) {
  constexpr double kImplausibleGain = 0.10;
  const auto& facts = metric_facts(metric);
  const bool can_be_trained = facts.is_share && !facts.compares_with_base;
  const bool was_trained = base > 0.5;  // a gain over an untrained network is what training is for
  return can_be_trained && was_trained && now > base + kImplausibleGain;
}

std::vector<GateRecord> check_gates(const std::map<std::string, GateConfig>& gates, const Report& report) {
  std::vector<GateRecord> records;
  for (const auto& [metric, gate] : gates) {
    const auto figures = find_figures(metric, report);
    if (gate.max_drop) records.push_back(check_drop(figures.metric.empty() ? metric : figures.metric, *gate.max_drop, figures.base, figures.now, metric));
    if (gate.min) records.push_back(check_bound(metric, "min", *gate.min, figures.now, true, ""));
    if (gate.max) records.push_back(check_bound(metric, "max", *gate.max, figures.now, false, ""));
    if (gate.min_ratio) records.push_back(check_bound(metric, "min_ratio", *gate.min_ratio, figures.ratio, true, " times better than the base"));
    if (gate.max_ratio) records.push_back(check_bound(metric, "max_ratio", *gate.max_ratio, figures.ratio, false, " times better than the base"));
    if (gate.min_speedup) records.push_back(check_bound(metric, "min_speedup", *gate.min_speedup, figures.ratio, true, " times faster than the base"));
  }
  return records;
}

std::vector<std::string> find_anomalies(const Report& report) {
  std::vector<std::string> anomalies;
  for (const auto& step : report.steps) {
    for (const auto& [metric, value] : step.metrics) {
      if (!std::isfinite(value)) anomalies.push_back(metric + " is not a finite number after step " + step.name);
    }
  }
  if (report.steps.size() < 2) return anomalies;
  const auto comparison = compare_ends(report);
  for (const auto& [metric, base] : comparison.base) {
    const auto found = comparison.compressed.find(metric);
    if (found != comparison.compressed.end() && is_implausible_gain(metric, base, found->second)) {
      anomalies.push_back(metric + " rose from " + format_metric(metric, base) + " to " + format_metric(metric, found->second) +
                          ", which compression does not do: check data and labels");
    }
  }
  return anomalies;
}

}  // namespace dsc
