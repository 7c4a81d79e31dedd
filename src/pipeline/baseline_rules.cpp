#include "pipeline/baseline_rules.h"

#include <algorithm>
#include <memory>

#include "core/fields_parse.h"
#include "core/names.h"
#include "core/tree.h"
#include "eval/metrics.h"
#include "pipeline/gates.h"

namespace dsc {
namespace {

void check_rule(const std::string& metric, const BaselineRule& rule, const std::vector<std::string>& metrics, const std::string& pointer,
                std::vector<Problem>& problems) {
  const bool is_figure = std::ranges::count(baseline_figures(), metric);
  if (!is_figure && !std::ranges::count(metrics, metric)) {
    auto known = metrics;
    known.insert(known.end(), baseline_figures().begin(), baseline_figures().end());
    const bool exists = std::ranges::count(metric_names(), metric);
    problems.push_back({"a gate on `" + metric + "`, which is not measured", {.pointer = pointer}, exists ? "add it to evaluate.metrics" : suggest(metric, known)});
  } else if (is_figure && rule.max_drop) {
    problems.push_back({"`max_drop` has no meaning for `" + metric + "`", {.pointer = pointer + "/max_drop"}, "use max_growth"});
  } else if (!is_figure && rule.max_growth) {
    problems.push_back({"`max_growth` has no meaning for `" + metric + "`", {.pointer = pointer + "/max_growth"}, "use max_drop; of a loss it is the largest rise"});
  } else if (rule.max_drop) {
    if (auto problem = problem_with_drop_unit(metric, *rule.max_drop, pointer + "/max_drop")) problems.push_back(std::move(*problem));
  }
}

}  // namespace

void BaselineRule::fields(FieldVisitor& visit) {
  visit("max_drop", max_drop,
        {.text = "Of a metric, the largest loss against the baseline: 0.3pp (percentage points) or 1% (of its value).", .minimum = 0, .units = {"", "pp", "%"}});
  visit("max_growth", max_growth, {.text = "Of size, macs, parameters, memory or latency_p50, the largest growth over the baseline.", .unit = "%", .minimum = 0, .units = {"%"}});
  visit.check(max_drop || max_growth ? "" : "no rule; give max_drop or max_growth");
}

const std::vector<std::string>& baseline_figures() {
  static const std::vector<std::string> figures{"size", "macs", "parameters", "memory", "latency_p50"};
  return figures;
}

std::vector<Problem> check_baseline_rules(const BaselineRules& rules, const std::vector<std::string>& metrics, const std::string& pointer) {
  std::vector<Problem> problems;
  for (const auto& [metric, rule] : rules) check_rule(metric, rule, metrics, child_pointer(pointer, metric), problems);
  return problems;
}

void add_rule(BaselineRules& rules, std::string_view text) {
  std::vector<Problem> problems;
  const auto source = std::make_shared<TreeSource>(TreeSource{.name = "--rule", .folder = {}});
  const auto tree = map_tree({{"rules", read_yaml(text, source, problems)}});
  BaselineRules added;
  if (problems.empty()) {
    parse_fields(tree, [&](FieldVisitor& visit) { visit("rules", added, {.text = "Rules by metric."}); }, problems);
  }
  throw_problems(std::move(problems));
  for (auto& [metric, rule] : added) rules[metric] = rule;
}

}  // namespace dsc
