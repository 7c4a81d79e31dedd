#include "pipeline/sweep_config.h"

#include <algorithm>
#include <array>
#include <set>

#include "core/fields_parse.h"
#include "core/fields_schema.h"
#include "core/tree_place.h"

namespace dsc {
namespace {

// A value of any type, as the YAML text that sets it.
std::string yaml_of(const Tree& value) {
  const bool plain = value.kind == Tree::Kind::scalar && !value.quoted;
  return plain ? value.text : to_json(value, -1);
}

// Field lists know no values of any type: these become texts.
void make_text(Tree& value) {
  if (value.kind == Tree::Kind::broken) return;
  auto text = yaml_of(value);
  value.kind = Tree::Kind::scalar;
  value.items.clear();
  value.entries.clear();
  value.text = std::move(text);
  value.quoted = true;
}

void make_texts(Tree& sweep) {
  if (auto* parameters = sweep.find("parameters")) {
    for (auto& parameter : parameters->entries) {
      if (auto* values = parameter.value.find("values")) std::ranges::for_each(values->items, make_text);
    }
  }
  if (auto* list = sweep.find("list")) {
    for (auto& trial : list->items) {
      for (auto& entry : trial.entries) make_text(entry.value);
    }
  }
}

std::string problem_with_ends(const char* name, const auto& ends) {
  if (ends.empty()) return {};
  if (ends.size() != 2) return std::string(name) + " has two ends: [lowest, highest]";
  return ends[0] < ends[1] ? "" : std::string(name) + ": the first end must be below the second";
}

// Anything goes where the field list says text.
Tree any_value() { return map_tree({{"description", text_tree("A value of the recipe.")}}); }

}  // namespace

std::span<const std::string_view> enum_names(SweepMethod) {
  static constexpr std::array<std::string_view, 7> kNames{"grid", "list", "random", "tpe", "nsga2", "cmaes", "gp"};
  return kNames;
}

std::span<const std::string_view> enum_names(Direction) {
  static constexpr std::array<std::string_view, 2> kNames{"maximize", "minimize"};
  return kNames;
}

std::span<const std::string_view> enum_names(ChooseOn) {
  static constexpr std::array<std::string_view, 2> kNames{"eval", "valid"};
  return kNames;
}

std::span<const std::string_view> enum_names(StopRule) {
  static constexpr std::array<std::string_view, 1> kNames{"median"};
  return kNames;
}

void StopEarly::fields(FieldVisitor& visit) {
  visit("after", after, {.text = "The step after which a trial is compared with those that have come as far; with several seeds, the first run.", .required = true});
  visit("rule", rule, {.text = "median: a trial whose metric is worse than the median of the others' goes no further."});
  visit("trials", trials, {.text = "None is stopped before so many others have come that far.", .minimum = 1});
}

void SweepParameter::fields(FieldVisitor& visit) {
  visit("values", values, {.text = "The values themselves, of any type."});
  visit("range", range, {.text = "Numbers from lowest to highest: [0.2, 0.8]."});
  visit("int", integers, {.text = "Whole numbers from lowest to highest, both included."});
  visit("log", log, {.text = "Numbers whose logarithms are evenly spread: [1e-4, 1e-1]."});
  visit("count", count, {.text = "Points of a grid between the ends, both included; 0: not given.", .minimum = 0, .maximum = 100000});
  visit("step", step, {.text = "Distance of a grid's points; 0: not given.", .minimum = 0});
  const int kinds = int(!values.empty()) + int(!range.empty()) + int(!integers.empty()) + int(!log.empty());
  visit.check(kinds == 1 ? "" : kinds == 0 ? "no values; give values, range, int or log" : "give one of values, range, int and log");
  visit.check(problem_with_ends("range", range));
  visit.check(problem_with_ends("int", integers));
  visit.check(problem_with_ends("log", log));
  visit.check(log.size() == 2 && log[0] <= 0 ? "log: the lowest must be above 0" : "");
  visit.check(count > 0 && step > 0 ? "give count or step, not both" : "");
  visit.check(!values.empty() && (count > 0 || step > 0) ? "count and step belong to range, int and log" : "");
  visit.check(!log.empty() && step > 0 ? "log takes count, not step" : "");
  visit.check(count == 1 ? "count: a range has two ends; give 2 or more, or values" : "");
}

void SweepLimits::fields(FieldVisitor& visit) {
  visit("trials", trials, {.text = "Trials at most; 0: all that grid or list have.", .minimum = 0, .maximum = 1000000});
  visit("hours", hours, {.text = "No trial starts later than so long after the first, interruptions left out; 0: no limit.", .unit = "hours", .minimum = 0});
  visit("failures", failures, {.text = "The sweep stops when so many trials have failed; 0: no limit.", .minimum = 0});
}

void SweepConfig::fields(FieldVisitor& visit) {
  visit("parameters", parameters, {.text = "What changes, by the path that --set takes: vars.cut, passes.0.prune.importance."});
  visit("zip", zip, {.text = "Groups of parameters that advance together, in place of every combination."});
  visit("where", where, {.text = "Conditions that a trial's parameters must meet: \"vars.bits >= 4 || vars.cut < 0.5\"."});
  visit("method", method, {.text = "How trials are chosen; tpe, nsga2, cmaes and gp are Optuna's."});
  visit("list", list, {.text = "For method: list, the trials: [{vars.cut: 0.3, vars.bits: 8}, ...]."});
  visit("objectives", objectives, {.text = "Figures that count: metrics, size, macs, parameters, latency_p50, seconds; empty: the recipe's metrics, and size."});
  visit("constraints", constraints, {.text = "Rules, as those of gates, that a trial must meet to be on the front."});
  visit("choose_on", choose_on, {.text = "What trials are judged on; valid: data.valid, and only the front sees data.eval."});
  visit("seeds", seeds, {.text = "A trial is the mean of runs with these seeds; empty: one run with the recipe's.", .minimum = 0});
  visit("batch", batch, {.text = "Trials that a sampler chooses at a time: the same seed and batch give the same trials whatever the timing.", .minimum = 1, .maximum = 1000});
  visit("stop_early", stop_early, {.text = "Ends trials that look bad half-way; with several workers, which ones depends on who comes first."});
  visit("limits", limits, {.text = "When a sweep ends."});
  visit.check(method == SweepMethod::list && list.empty() ? "method: list needs trials in `list`" : "");
  visit.check(method != SweepMethod::list && !list.empty() ? "`list` goes with method: list" : "");
  visit.check(method == SweepMethod::list && !parameters.empty() ? "method: list has its values in `list`; remove `parameters`" : "");
  visit.check(method != SweepMethod::list && parameters.empty() ? "no parameters: nothing changes from trial to trial" : "");
  const bool samples = method != SweepMethod::list && method != SweepMethod::grid;
  visit.check(samples && limits.trials == 0 ? "method: " + to_text(method) + " goes on for ever: give limits.trials" : "");
  visit.check(std::set<std::int64_t>(seeds.begin(), seeds.end()).size() < seeds.size() ? "seeds names one twice" : "");
}

std::optional<SweepConfig> take_sweep(Tree& recipe, std::vector<Problem>& problems) {
  const auto found = std::ranges::find_if(recipe.entries, [](const TreeEntry& entry) { return entry.key == "sweep"; });
  if (found == recipe.entries.end()) return std::nullopt;
  auto section = std::move(found->value);
  recipe.entries.erase(found);
  make_texts(section);
  SweepConfig config;
  parse_fields(section, config, problems);
  return config;
}

Place SweepSection::place(const std::string& pointer) const { return place_of(source, pointer); }

SweepSection load_sweep_section(const RecipeInput& input) {
  std::vector<Problem> problems;
  auto composed = compose(input, problems);
  auto source = composed.tree;
  auto config = take_sweep(composed.tree, problems);
  throw_problems(std::move(problems));
  if (config) return {std::move(*config), std::move(source)};
  throw Error(ErrorCode::recipe, "the recipe has no `sweep` section", {.file = input.path}, "say what changes: sweep: {parameters: {vars.NAME: {values: [...]}}}, or --multirun 'vars.NAME=1,2'");
}

Tree sweep_schema() {
  SweepConfig config;
  auto schema = schema_of([&](FieldVisitor& visit) { config.fields(visit); });
  const auto set_any = [](Tree* at, std::initializer_list<const char*> path) {
    for (const auto* key : path) {
      if (auto* alternatives = at->find("anyOf")) at = &alternatives->items.front();
      at = at->find(key);
      if (!at) throw Error(ErrorCode::internal, std::string("the schema of sweeps has no ") + key);
    }
    *at = any_value();
  };
  set_any(&schema, {"properties", "parameters", "additionalProperties", "properties", "values", "items"});
  set_any(&schema, {"properties", "list", "items", "additionalProperties"});
  schema.entries.insert(schema.entries.begin(), {.key = "description", .value = text_tree("What changes from trial to trial, for the command `sweep`; `run` ignores it.")});
  return schema;
}

}  // namespace dsc
