// What is wrong with a recipe as a whole, though each value is right.
#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "core/metric_facts.h"
#include "core/names.h"
#include "data/corruption.h"
#include "deploy/artifact.h"
#include "eval/metrics.h"
#include "pipeline/gates.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {
namespace {

using Problems = std::vector<Problem>;

void check_metric_label(const std::string& metric, const SplitConfig& data, const Place& place, Problems& problems) {
  const std::string label = metric_label(metric);
  if (label.empty() || data.labels.contains(label)) return;
  std::vector<std::string> names;
  for (const auto& [name, output] : data.labels) names.push_back(name);
  problems.push_back({"`" + metric + "`: data.eval has no further label `" + label + "`", place,
                      names.empty() ? "add it to data.eval.labels" : suggest(label, names)});
}

void check_metrics(const Recipe& recipe, Problems& problems) {
  const auto& metrics = recipe.evaluate.metrics;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const Place place{.pointer = "/evaluate/metrics/" + std::to_string(i)};
    if (recipe.data.eval) check_metric_label(metrics[i], *recipe.data.eval, place, problems);
    if (!seen.insert(metrics[i]).second) problems.push_back({"the metric `" + metrics[i] + "` is named twice", place, "remove one"});
  }
  if (!metrics.empty() && !recipe.data.eval) {
    problems.push_back({"metrics need data to be measured on, and there is no `data.eval`",
                        {.pointer = "/evaluate/metrics"},
                        "add data.eval, or write metrics: []"});
  }
}

// What the format alone tells; check_robustness looks at the data.
void check_test_fits(const RobustnessTest& test, DataFormat format, const Place& place, Problems& problems) {
  const auto* corruption = find_corruption(test.kind);
  const bool of_text = corruption && corruption->of_text, text = format == DataFormat::text;
  if (format == DataFormat::tensors || of_text == text) return;
  const std::string what = "`" + test.kind + "` " + (of_text ? "changes words" : "changes pixels") + ", and data.eval has format " + to_text(format);
  const char* remedy = text         ? "text is tried with typos, case, truncation and synonyms"
                       : !holds_text(format) ? "images are tried with gaussian_noise, gaussian_blur, jpeg, pgd and others"
                                    : "formats of images and `text` have corruptions";
  problems.push_back({what, place, remedy});
}

void check_tests(const Recipe& recipe, Problems& problems) {
  const auto& tests = recipe.evaluate.robustness;
  if (!tests.empty() && recipe.evaluate.metrics.empty()) {
    problems.push_back({"robustness is measured in the recipe's metrics, and there are none", {.pointer = "/evaluate/robustness"}, "add data.eval and evaluate.metrics"});
  }
  std::set<std::string> seen = {"worst", "corrupted"};
  for (std::size_t i = 0; i < tests.size(); ++i) {
    const Place place{.pointer = "/evaluate/robustness/" + std::to_string(i)};
    if (!seen.insert(tests[i].name).second) problems.push_back({"`" + tests[i].name + "` is the name of another figure of robustness", place, "choose another `name`"});
    if (recipe.data.eval) check_test_fits(tests[i], recipe.data.eval->format, place, problems);
  }
}

void check_baseline(const Recipe& recipe, Problems& problems) {
  const auto& baseline = recipe.evaluate.baseline;
  std::vector<std::string> names;
  for (const auto& step : recipe.passes.steps) names.push_back(step.name);
  if (baseline.empty() || std::ranges::count(names, baseline)) return;
  problems.push_back({"`baseline` names no step: `" + baseline + "`",
                      {.pointer = "/evaluate/baseline"},
                      names.empty() ? "there are no passes; remove the line" : suggest(baseline, names)});
}

bool is_file_name(const std::string& name) {
  const auto usable = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.'; };
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), usable);
}

void check_step_names(const Recipe& recipe, Problems& problems) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    const auto& name = recipe.passes.steps[i].name;
    const Place place{.pointer = step_pointer(recipe, i) + "/name"};
    if (!is_file_name(name))
      problems.push_back({"the step name `" + name + "` cannot be a folder's name", place, "use letters, digits, _ - and ."});
    else if (name == "base")
      problems.push_back({"the step name `base` stands for the model before any pass", place, "choose another name"});
    else if (!seen.insert(name).second)
      problems.push_back({"two steps are called `" + name + "`", place, "give each its own name"});
  }
}

void check_name(const Recipe& recipe, Problems& problems) {
  if (recipe.name.find('/') == std::string::npos && !recipe.name.starts_with('.')) return;
  problems.push_back({"the name `" + recipe.name + "` cannot be part of a folder's name",
                      {.pointer = "/name"},
                      "choose one without / and without a point at its start"});
}

void check_device(const Recipe& recipe, Problems& problems) {
  const auto& device = recipe.device;
  const auto number = device.starts_with("cuda:") ? device.substr(5) : "";
  const bool numbered = !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
  if (device == "cpu" || device == "cuda" || numbered) return;
  problems.push_back({"unknown device `" + device + "`", {.pointer = "/device"}, "cpu, cuda or cuda:N; OpenVINO's device is deploy.openvino.device"});
}

void check_train_on(const Recipe& recipe, std::size_t index, const std::set<Need>& needs, Problems& problems) {
  const auto& step = recipe.passes.steps[index];
  if (step.train_on.empty()) return;
  const Place place{.pointer = step_pointer(recipe, index) + "/train_on"};
  std::vector<std::string> names;
  for (const auto& [name, config] : recipe.data.more) names.push_back(name);
  if (!needs.contains(Need::train_data) && !needs.contains(Need::calibration_data)) {
    problems.push_back({"`" + step.info->id + "`, as it is set here, uses no training data", place, "remove train_on"});
  } else if (!std::ranges::count(names, step.train_on)) {
    problems.push_back({"`data.more` has no `" + step.train_on + "`", place, names.empty() ? "add it there" : suggest(step.train_on, names)});
  }
}

void check_needs(const Recipe& recipe, Problems& problems) {
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    const auto& step = recipe.passes.steps[i];
    const auto needs = needs_of(step);
    const auto needs_any = [&](Need need) { return needs.contains(need); };
    const Place place{.pointer = step_pointer(recipe, i)};
    const bool has_training_data = recipe.data.train || !step.train_on.empty();
    check_train_on(recipe, i, needs, problems);
    if (needs_any(Need::train_data) && !has_training_data) {
      problems.push_back({"`" + step.info->id + "` trains, and there is no `data.train`", place, "add data.train"});
    } else if (needs_any(Need::calibration_data) && !recipe.data.calibration && !has_training_data) {
      problems.push_back(
          {"`" + step.info->id + "` calibrates, and there is neither `data.calibration` nor `data.train`", place, "add data.calibration"});
    }
    if (needs_any(Need::latency) && !recipe.evaluate.latency) {
      problems.push_back({"`" + step.info->id + "` measures latency, and there is no `evaluate.latency`", place,
                          "add evaluate.latency, for example {engine: openvino, batch: [1]}"});
    }
  }
}

// Quantised tensors have ranges that belong to their channels: what cuts shapes comes first.
void check_order(const Recipe& recipe, Problems& problems) {
  const auto changes = [](const PassStep& step, Change change) {
    return std::find(step.info->changes.begin(), step.info->changes.end(), change) != step.info->changes.end();
  };
  const PassStep* quantized = nullptr;
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    const auto& step = recipe.passes.steps[i];
    const bool reshapes = changes(step, Change::shapes);
    if (quantized && reshapes) {
      problems.push_back({"`" + step.name + "` changes shapes after `" + quantized->name + "` has changed the precision",
                          {.pointer = step_pointer(recipe, i)},
                          "move it before `" + quantized->name + "`"});
    }
    if (!quantized && !reshapes && changes(step, Change::precision)) quantized = &step;
  }
}

struct GateRule {
  std::string_view name;
  bool given;
};

std::vector<GateRule> rules_of(const GateConfig& gate) {
  return {{"max_drop", gate.max_drop.has_value()},
          {"min", gate.min.has_value()},
          {"max", gate.max.has_value()},
          {"min_ratio", gate.min_ratio.has_value()},
          {"max_ratio", gate.max_ratio.has_value()},
          {"min_speedup", gate.min_speedup.has_value()}};
}

// Figures that every run has, besides the metrics, and the rules that make sense for each.
const std::map<std::string, std::vector<std::string>>& measured_figures() {
  static const std::map<std::string, std::vector<std::string>> figures = {{"size", {"min", "max", "min_ratio", "max_ratio"}},
                                                                          {"macs", {"min", "max", "min_ratio", "max_ratio"}},
                                                                          {"parameters", {"min", "max", "min_ratio", "max_ratio"}},
                                                                          {"latency_p50", {"min_ratio", "min_speedup"}}};
  return figures;
}

void check_gate(const Recipe& recipe, const std::string& metric, const GateConfig& gate, const GateSection& section, Problems& problems) {
  const auto pointer = child_pointer(section.pointer, metric);
  const std::string what = std::string("a ") + section.noun + " on `";
  const auto figure = measured_figures().find(metric);
  const bool is_figure = figure != measured_figures().end();
  auto known = recipe.evaluate.metrics;
  for (const auto& [name, rules] : measured_figures()) known.push_back(name);
  const auto tried = robustness_figures(recipe.evaluate.robustness, recipe.evaluate.metrics);
  const auto figure_of_test = std::ranges::find(tried, metric, &std::pair<std::string, std::string>::first);
  for (const auto& [name, of_metric] : tried) known.push_back(name);
  if (!is_figure && figure_of_test == tried.end() && !std::ranges::count(recipe.evaluate.metrics, metric)) {
    const bool exists = std::ranges::count(metric_names(), metric);
    problems.push_back(
        {what + metric + "`, which is not measured", {.pointer = pointer}, exists ? "add it to evaluate.metrics" : suggest(metric, known)});
    return;
  }
  if (metric == "latency_p50" && !recipe.evaluate.latency) {
    problems.push_back({what + "latency_p50`, which is not measured", {.pointer = pointer}, "add evaluate.latency"});
    return;
  }
  const auto allowed = is_figure ? figure->second : std::vector<std::string>{"max_drop", "min", "max"};
  for (const auto& rule : rules_of(gate)) {
    if (!rule.given || std::ranges::count(allowed, std::string(rule.name))) continue;
    std::string names;
    for (const auto& other : allowed) names += (names.empty() ? "" : ", ") + other;
    const std::string name(rule.name);
    problems.push_back({"`" + name + "` has no meaning for `" + metric + "`", {.pointer = pointer + "/" + name}, "use " + names});
  }
  if (!gate.max_drop || is_figure) return;
  const auto& unit_of = figure_of_test == tried.end() ? metric : figure_of_test->second;
  if (auto problem = problem_with_drop_unit(unit_of, *gate.max_drop, pointer + "/max_drop")) problems.push_back(std::move(*problem));
}

void check_exports(const Recipe& recipe, Problems& problems) {
  std::string formats;
  for (const auto& [extension, format] : artifact_formats()) formats += (formats.empty() ? "" : ", ") + extension;
  for (std::size_t i = 0; i < recipe.deploy.exports.size(); ++i) {
    const auto& name = recipe.deploy.exports[i];
    const Place place{.pointer = "/deploy/export/" + std::to_string(i)};
    const auto extension = std::filesystem::path(name).extension().string();
    const auto has_extension = [&](const auto& format) { return format.first == extension; };
    const bool known = std::any_of(artifact_formats().begin(), artifact_formats().end(), has_extension);
    if (!is_file_name(name)) {
      problems.push_back({"`" + name + "` is no plain file name", place, "files are written into the run folder; name them without folders"});
    } else if (!known) {
      problems.push_back({"no format has the extension of `" + name + "`", place, "extensions: " + formats});
    } else if (name == "model.pt2" || name == "model.safetensors") {
      problems.push_back({"`" + name + "` is written anyway", place, "remove it"});
    }
  }
}

}  // namespace

std::set<Need> needs_of(const PassStep& step) {
  std::set<Need> needs(step.info->needs.begin(), step.info->needs.end());
  if (!step.info->needs_of) return needs;
  for (const Need need : step.info->needs_of(step.options.get())) needs.insert(need);
  return needs;
}

std::vector<Problem> check_gate_section(const Recipe& recipe, const std::map<std::string, GateConfig>& gates, const GateSection& section) {
  Problems problems;
  for (const auto& [metric, gate] : gates) check_gate(recipe, metric, gate, section, problems);
  return problems;
}

std::vector<Problem> check_recipe(const Recipe& recipe) {
  Problems problems;
  check_metrics(recipe, problems);
  check_tests(recipe, problems);
  check_name(recipe, problems);
  check_device(recipe, problems);
  check_step_names(recipe, problems);
  check_baseline(recipe, problems);
  check_needs(recipe, problems);
  check_order(recipe, problems);
  const auto in_gates = check_gate_section(recipe, recipe.gates, {});
  problems.insert(problems.end(), in_gates.begin(), in_gates.end());
  const auto against_baseline = check_baseline_rules(recipe.baseline_gates, recipe.evaluate.metrics, "/gates/baseline");
  problems.insert(problems.end(), against_baseline.begin(), against_baseline.end());
  check_exports(recipe, problems);
  add_places(recipe, problems);
  return problems;
}

}  // namespace dsc
