// What each step did to the figures.
#include <algorithm>
#include <cmath>
#include <functional>

#include "core/log.h"
#include "core/metric_facts.h"
#include "core/printed.h"
#include "report/html_page.h"
#include "report/html_sections.h"

namespace dsc::html {
namespace {

std::string label_of(const StepRecord& step) { return std::to_string(step.index) + " " + step.name; }

// One figure of a step; none: it was not measured.
struct Quantity {
  std::string name;                                             // "top1", "size"
  std::function<std::optional<double>(const StepRecord&)> of;
  std::function<std::string(double)> text;
  bool is_metric = false;
};

std::optional<double> metric_of(const StepRecord& step, const std::string& metric) {
  const auto found = step.metrics.find(metric);
  return found == step.metrics.end() ? std::nullopt : std::optional(found->second);
}

// Against the base that was timed in turn with it: how busy the machine was differs from step to step.
std::optional<double> latency_of(const StepRecord& step, const StepRecord& base) {
  if (!step.latency || !base.latency || step.latency->base_p50_ms <= 0) return std::nullopt;
  return base.latency->p50_ms * step.latency->p50_ms / step.latency->base_p50_ms;
}

std::vector<Quantity> quantities(const StepRecord& base) {
  std::vector<Quantity> all;
  for (const auto& [metric, unused] : base.metrics) {
    all.push_back({metric, [metric = metric](const StepRecord& step) { return metric_of(step, metric); }, [metric = metric](double value) { return format_metric(metric, value); }, true});
  }
  all.push_back({"size", [](const StepRecord& step) { return std::optional(static_cast<double>(step.size_bytes)); }, format_bytes});
  all.push_back({"MACs", [](const StepRecord& step) { return std::optional(step.macs); }, format_count});
  all.push_back({"latency", [base](const StepRecord& step) { return latency_of(step, base); }, [](double value) { return printed("%.3f ms", value); }});
  return all;
}

// "91.20 % (-0.31)", "121 kB (-74 %)": what it is, and what has changed since the base.
std::string change_text(const Quantity& quantity, double value, double base) {
  const auto text = quantity.text(value);
  if (quantity.is_metric) return text + (is_share(quantity.name) ? printed(" (%+.2f)", 100 * (value - base)) : printed(" (%+.4f)", value - base));
  return base > 0 ? text + printed(" (%+.0f %%)", 100 * (value / base - 1)) : text;
}

std::string waterfall(const Report& report, const Quantity& quantity) {
  std::vector<WaterfallStep> changes;
  std::optional<double> base;
  for (const auto& step : report.steps) {
    const auto value = quantity.of(step);
    if (step.index < baseline_step(report).index || !value || !std::isfinite(*value)) continue;
    changes.push_back({label_of(step), *value, base ? change_text(quantity, *value, *base) : quantity.text(*value)});
    if (!base) base = value;
  }
  return waterfall_chart(quantity.name, changes, quantity.is_metric && larger_is_better(quantity.name), !quantity.is_metric);
}

std::string trade_off(const Report& report, const std::string& metric, const Quantity& cost) {
  double largest = 0;
  std::vector<Point> points;
  for (const auto& step : report.steps) {
    const auto x = cost.of(step), y = metric_of(step, metric);
    if (step.index < baseline_step(report).index || !x || !y) continue;
    points.push_back({.x = *x, .y = on_axis(metric, *y), .hover = label_of(step) + "\n" + metric + ": " + format_metric(metric, *y) + "\n" + cost.name + ": " + cost.text(*x), .label = step.name});
    largest = std::max(largest, *x);
  }
  if (points.size() < 2) return {};
  const auto scale = cost.name == "latency" ? FigureScale{1, "latency, ms"} : scale_of("size", largest);
  for (auto& point : points) point.x *= scale.factor;
  mark_front(points, larger_is_better(metric));
  return scatter_chart(metric + " against " + cost.name, scale.label, scale_of(metric, 0).label, points, axis_bounds(metric));
}

void write_table_of_steps(std::ostream& out, const Report& report, const std::vector<Quantity>& shown) {
  std::vector<std::string> columns = {"step", "time"};
  for (const auto& quantity : shown) columns.push_back(quantity.name);
  columns.emplace_back("parameters");
  std::vector<std::vector<std::string>> rows;
  for (const auto& step : report.steps) {
    std::vector<std::string> row = {label_of(step), format_duration(step.seconds)};
    for (const auto& quantity : shown) {
      const auto value = quantity.of(step);
      row.push_back(value ? quantity.text(*value) : "-");
    }
    row.push_back(format_count(static_cast<double>(step.parameters)));
    rows.push_back(std::move(row));
  }
  write_table(out, "Steps", columns, rows);
}

}  // namespace

double on_axis(const std::string& metric, double value) { return scale_of(metric, value).factor * value; }

// Accuracies end at 100 %.
Bounds axis_bounds(const std::string& metric) { return is_share(metric) ? Bounds{0, 100} : Bounds{}; }

void write_steps(std::ostream& out, const Report& report) {
  if (report.steps.empty()) return;
  const auto& base = baseline_step(report);
  auto shown = quantities(base);
  std::erase_if(shown, [&](const Quantity& quantity) { return std::ranges::none_of(report.steps, [&](const StepRecord& step) { return quantity.of(step).has_value(); }); });
  out << "<h2 id=\"steps\">Steps</h2>\n";
  write_table_of_steps(out, report, shown);
  std::string charts;
  for (const auto& quantity : shown) charts += waterfall(report, quantity);
  if (!charts.empty()) {
    out << "<h3>From step to step</h3>\n<p class=\"note\">Each bar goes from what the step found to what it left: green for the better, red for the worse. "
           "In brackets the change since "
        << escape_xml(label_of(base)) << ", where the dotted line stands.</p>\n" << charts << '\n';
  }
  charts.clear();
  for (const auto& [metric, unused] : base.metrics) {
    for (const auto& quantity : shown) {
      if (quantity.name == "size" || quantity.name == "latency") charts += trade_off(report, metric, quantity);
    }
  }
  if (charts.empty()) return;
  out << "<h3>What it costs</h3>\n<p class=\"note\">Steps that no other beats in one direction without losing in the other are joined.</p>\n" << charts << '\n';
}

}  // namespace dsc::html
