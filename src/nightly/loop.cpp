#include "nightly/loop.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/fields_parse.h"
#include "core/fields_schema.h"
#include "core/metric_facts.h"
#include "core/names.h"
#include "data/split.h"
#include "eval/metrics.h"
#include "nightly/budgets.h"

namespace dsc {
namespace {

std::string problem_with_metric(const std::string& metric) {
  const auto& names = metric_names();
  if (std::ranges::find(names, metric) == names.end()) return "there is no metric `" + metric + "`; " + suggest(metric, names);
  if (compares_with_base({metric})) return "`" + metric + "` compares with the base of a run, not with the deployed version; use one of labels, such as top1";
  return is_mean_of_examples(metric) ? "" : "`" + metric + "` says nothing of single examples; use one that does, such as top1 or loss";
}

std::string problem_with_margin(const LoopTrial& trial) {
  const bool share = is_share(trial.metric);
  if (share && trial.margin.unit.empty()) return "margin of " + trial.metric + " needs a unit: 0.5pp is half a percentage point";
  if (!share && trial.margin.unit == "pp") return trial.metric + " is no percentage: give margin in its own unit";
  return trial.margin.value > 0 ? "" : "margin is 0: two models are never shown to be equal";
}

std::string problem_with_split(const std::string& text) {
  try {
    const auto split = parse_split(text);
    const bool newest = split.name == "traffic" && split.start && split.start->value < 0 && !split.stop && split.step == 1;
    return newest ? "" : "split `" + text + "` has to select the newest examples: traffic[-5000:], traffic[-50%:]";
  } catch (const Error& error) {
    return error.problems().front().message;
  }
}

}  // namespace

std::span<const std::string_view> enum_names(Trigger) {
  static constexpr std::array<std::string_view, 3> kNames{"checkpoint", "accuracy", "latency"};
  return kNames;
}

std::span<const std::string_view> enum_names(LabelsCome) {
  static constexpr std::array<std::string_view, 2> kNames{"late", "complete"};
  return kNames;
}

void LoopModel::fields(FieldVisitor& visit) {
  visit("registry", registry, {.text = "Folder with a folder for each version, as OpenVINO Model Server reads it; last-good is a link to one.", .required = true});
}

void LoopCheckpoint::fields(FieldVisitor& visit) {
  visit("weights", weights, {.text = "Weights, as a pattern: nightly/*.safetensors; the newest file is the checkpoint.", .required = true});
  visit("graph", graph, {.text = "The exported model that takes them; empty: the recipe's."});
}

void LoopReplay::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "Old training data, .safetensors with the columns of the traffic.", .required = true});
  visit("share", share, {.text = "Share of old examples in what is trained on.", .unit = "fraction", .minimum = 0.01, .maximum = 0.99});
}

void LoopTraffic::fields(FieldVisitor& visit) {
  visit("format", format, {.text = "tensors: .safetensors, one column an input, examples in the order they came."});
  visit("path", path, {.text = "Captured inputs, as a pattern: traffic/*.safetensors; in the order of their names.", .required = true});
  visit("window", window, {.text = "How long ago files may have been written.", .units = {"d", "h"}});
  visit("labels", labels, {.text = "late: a file without labels, and labels below 0 or NaN, are examples whose label comes later; complete: they are an error."});
  visit("label", label, {.text = "Name of the label column."});
  visit("replay", replay, {.text = "Old examples among those that are trained on, against forgetting."});
  visit.check(format == "tensors" ? "" : "traffic is read as tensors, not as " + format);
  visit.check(window.value > 0 ? "" : "window is empty");
}

double LoopTraffic::window_seconds() const { return window.value * (window.unit == "h" ? 3600 : 86400); }

void LoopBudget::fields(FieldVisitor& visit) {
  visit("min", min, {.text = "At least: 0.92, 92%.", .units = budget_units()});
  visit("max", max, {.text = "At most: 12ms, 3MB, 0.2.", .units = budget_units()});
}

const FilePath& LoopWhen::recipe(Trigger trigger) const { return trigger == Trigger::accuracy ? accuracy : trigger == Trigger::latency ? latency : checkpoint; }

void LoopWhen::fields(FieldVisitor& visit) {
  visit("accuracy", accuracy, {.text = "Recipe for a budget of accuracy, calibration or drift that is violated: incremental training."});
  visit("latency", latency, {.text = "Recipe for a budget of latency or size that is violated: compress further."});
  visit("checkpoint", checkpoint, {.text = "Recipe that compresses a new checkpoint."});
}

void LoopTrial::fields(FieldVisitor& visit) {
  visit("metric", metric, {.text = "What old and new are compared by, example by example."});
  visit("split", split, {.text = "The newest labelled examples of the traffic, which are compared on and never trained on; without traffic: the recipe's data.eval."});
  visit("margin", margin, {.text = "How much worse still counts as equal: 0.5pp, or a number in the metric's unit.", .units = {"", "pp"}});
  visit("confidence", confidence, {.text = "Of the bound that must lie above -margin.", .minimum = 0.5, .maximum = 0.9999});
  visit("minimum", minimum, {.text = "No decision on fewer examples.", .unit = "examples", .minimum = 0});
  visit.check(problem_with_metric(metric));
  visit.check(problem_with_margin(*this));
  visit.check(problem_with_split(split));
}

double LoopTrial::margin_value() const { return margin.unit == "pp" ? margin.value / 100 : margin.value; }

void LoopKeep::fields(FieldVisitor& visit) { visit("versions", versions, {.text = "Versions to keep, last-good included.", .minimum = 1}); }

void Loop::fields(FieldVisitor& visit) {
  visit("version", version, {.text = "Version of this grammar: 1.", .required = true});
  visit("model", model, {.text = "Where the versions are.", .required = true});
  visit("checkpoint", checkpoint, {.text = "What training leaves; absent: only the deployed model is looked after."});
  visit("traffic", traffic, {.text = "Inputs that the deployed model was asked for."});
  visit("budgets", budgets, {.text = "What the deployed model must keep, by metric, latency_p50, latency_p90, latency_p99, size, drift (PSI), drift_ks; exit status 1 otherwise."});
  visit("when", when, {.text = "What to do.", .required = true});
  visit("trial", trial, {.text = "When the new model replaces the old one."});
  visit("keep", keep, {.text = "What to keep."});
  visit.check(version == 1 ? "" : "version " + std::to_string(version) + " is not known; this program reads version 1");
  visit.check(checkpoint.has_value() == !when.checkpoint.empty() ? "" : "`checkpoint` and `when.checkpoint` belong together");
  visit.check(when.accuracy.empty() || traffic ? "" : "`when.accuracy` needs `traffic` to train on");
  for (const auto& [figure, budget] : budgets) visit.check(problem_with_budget(figure, budget, traffic.has_value()));
}

std::string Loop::name() const { return std::filesystem::path(model.registry.path).filename().string(); }

Loop load_loop(const std::string& path) {
  std::vector<Problem> problems;
  const auto tree = read_tree_file(path, problems);
  Loop loop;
  parse_fields(tree, loop, problems);
  throw_problems(std::move(problems));
  loop.path = path;
  return loop;
}

std::string loop_schema() {
  Loop loop;
  auto object = schema_of([&](FieldVisitor& visit) { loop.fields(visit); }, {.expressions = false});
  auto schema = map_tree({{"$schema", text_tree("https://json-schema.org/draft/2020-12/schema")}, {"title", text_tree("dscompress nightly loop")}});
  for (auto& entry : object.entries) schema.entries.push_back(std::move(entry));
  return to_json(schema) + "\n";
}

}  // namespace dsc
