#include "pipeline/compare_runs.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <set>

#include "io/safetensors.h"
#include "pipeline/finished_run.h"
#include "pipeline/pair_runs.h"

namespace dsc {
namespace {

using Runs = std::vector<const FinishedRun*>;
using MaybeNumber = std::optional<double>;

FigureRecord figure_of(std::string name, std::string unit, const Runs& runs, const std::function<MaybeNumber(const FinishedRun&)>& value_of) {
  FigureRecord figure{.name = std::move(name), .unit = std::move(unit)};
  for (const auto* run : runs) figure.values.push_back(value_of(*run));
  return figure;
}

MaybeNumber number_in(const std::map<std::string, double>& values, const std::string& name) {
  const auto found = values.find(name);
  return found == values.end() ? MaybeNumber() : MaybeNumber(found->second);
}

// Names that any of the runs has, in order.
std::vector<std::string> all_names(const Runs& runs, const std::function<std::vector<std::string>(const FinishedRun&)>& names_of) {
  std::vector<std::string> all;
  for (const auto* run : runs) {
    for (auto& name : names_of(*run)) {
      if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(std::move(name));
    }
  }
  return all;
}

std::vector<std::string> keys_of(const std::map<std::string, double>& values) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : values) keys.push_back(key);
  return keys;
}

std::vector<FigureRecord> compare_metrics(const Runs& runs) {
  std::vector<FigureRecord> figures;
  const auto model = common_model(runs);
  for (const auto& metric : all_names(runs, [&](const FinishedRun& run) { return keys_of(metrics_of(run, model)); })) {
    auto figure = figure_of(metric, "", runs, [&](const FinishedRun& run) { return number_in(metrics_of(run, model), metric); });
    figure.paired.emplace_back();
    for (std::size_t i = 1; i < runs.size(); ++i) {
      const bool both = figure.values.front() && figure.values[i];
      auto reason = both ? reason_against_comparing(*runs.front(), *runs[i]) : "not measured in both";
      figure.paired.push_back(reason.empty() ? compare_outcomes(*runs.front(), *runs[i], model, metric) : std::nullopt);
      if (reason.empty() && !figure.paired.back()) reason = "outcomes of single examples were not kept";
      if (figure.note.empty()) figure.note = reason;
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

// "latency p50, compressed, openvino CPU f32, batch 1"
std::string title_of(const LatencyRecord& record) {
  return "latency p50, " + record.model + ", " + record.engine.substr(0, record.engine.find(' ')) + ", batch " + std::to_string(record.batch);
}

std::vector<FigureRecord> compare_figures(const Runs& runs) {
  const auto last = [](const FinishedRun& run) -> const StepRecord& { return run.report.steps.back(); };
  std::vector<FigureRecord> figures{
      figure_of("size", "bytes", runs, [&](const FinishedRun& run) { return MaybeNumber(last(run).size_bytes); }),
      figure_of("MACs", "MACs", runs, [&](const FinishedRun& run) { return MaybeNumber(last(run).macs); }),
      figure_of("parameters", "parameters", runs, [&](const FinishedRun& run) { return MaybeNumber(last(run).parameters); }),
      figure_of("smaller than its own base", "x", runs, [](const FinishedRun& run) { return compare_ends(run.report).size_ratio; }),
      figure_of("faster than its own base", "x", runs, [](const FinishedRun& run) { return compare_ends(run.report).latency_speedup; })};
  const auto titles = all_names(runs, [](const FinishedRun& run) {
    std::vector<std::string> names;
    for (const auto& record : run.report.latency) names.push_back(title_of(record));
    return names;
  });
  for (const auto& title : titles) {
    figures.push_back(figure_of(title, "ms", runs, [&](const FinishedRun& run) {
      for (const auto& record : run.report.latency) {
        if (title_of(record) == title) return MaybeNumber(record.p50_ms);
      }
      return MaybeNumber();
    }));
  }
  figures.push_back(figure_of("memory of the run", "bytes", runs, [](const FinishedRun& run) {
    return run.report.peak_memory_bytes > 0 ? MaybeNumber(run.report.peak_memory_bytes) : MaybeNumber();
  }));
  figures.push_back(figure_of("time of the run", "s", runs, [](const FinishedRun& run) { return MaybeNumber(run.report.seconds); }));
  std::erase_if(figures, [](const FigureRecord& figure) { return std::none_of(figure.values.begin(), figure.values.end(), [](const MaybeNumber& value) { return value.has_value(); }); });
  return figures;
}

const StepRecord* find_step(const FinishedRun& run, const std::string& name) {
  for (const auto& step : run.report.steps) {
    if (step.name == name) return &step;
  }
  return nullptr;
}

std::vector<FigureRecord> compare_steps(const Runs& runs) {
  std::vector<FigureRecord> figures;
  const auto names = all_names(runs, [](const FinishedRun& run) {
    std::vector<std::string> steps;
    for (const auto& step : run.report.steps) steps.push_back(step.name);
    return steps;
  });
  for (const auto& name : names) {
    const auto add = [&](const std::string& what, const std::string& unit, const std::function<MaybeNumber(const StepRecord&)>& value_of) {
      figures.push_back(figure_of(name + ": " + what, unit, runs, [&](const FinishedRun& run) {
        const auto* step = find_step(run, name);
        return step ? value_of(*step) : MaybeNumber();
      }));
    };
    const auto metrics = all_names(runs, [&](const FinishedRun& run) {
      const auto* step = find_step(run, name);
      return step ? keys_of(step->metrics) : std::vector<std::string>();
    });
    for (const auto& metric : metrics) add(metric, "", [&](const StepRecord& step) { return number_in(step.metrics, metric); });
    add("size", "bytes", [](const StepRecord& step) { return MaybeNumber(step.size_bytes); });
    add("MACs", "MACs", [](const StepRecord& step) { return MaybeNumber(step.macs); });
    add("time", "s", [](const StepRecord& step) { return MaybeNumber(step.seconds); });
  }
  return figures;
}

using Texts = std::map<std::string, std::string>;

// Names whose texts are not the same everywhere.
std::vector<DifferenceRecord> differences_of(const std::vector<Texts>& of_runs) {
  std::set<std::string> names;
  for (const auto& texts : of_runs) {
    for (const auto& [name, text] : texts) names.insert(name);
  }
  std::vector<DifferenceRecord> differences;
  for (const auto& name : names) {
    DifferenceRecord difference{.name = name};
    for (const auto& texts : of_runs) {
      const auto found = texts.find(name);
      difference.values.push_back(found == texts.end() ? "-" : found->second);
    }
    const auto& values = difference.values;
    if (std::any_of(values.begin(), values.end(), [&](const std::string& value) { return value != values.front(); })) differences.push_back(std::move(difference));
  }
  return differences;
}

// The weights of layers as they are stored: "conv1.weight" -> "16 x 3 x 3 x 3 Char".
Texts layers_of(const FinishedRun& run) {
  Texts texts;
  for (const auto& [name, tensor] : read_safetensors(run.file("model.safetensors")).tensors) {
    if (tensor.dim() < 2) continue;
    std::string text;
    for (const auto size : tensor.sizes()) text += (text.empty() ? "" : " x ") + std::to_string(size);
    texts[name] = text + " " + c10::toString(tensor.scalar_type());
  }
  return texts;
}

void flatten(const Tree& tree, Texts& texts) {
  for (const auto& item : tree.items) flatten(item, texts);
  for (const auto& entry : tree.entries) flatten(entry.value, texts);
  if (tree.kind == Tree::Kind::scalar) texts[tree.pointer] = tree.text;
}

Texts settings_of(const FinishedRun& run) {
  std::vector<Problem> problems;
  auto tree = read_tree_file(run.recipe_file(), problems);
  if (!problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  set_pointers(tree);
  Texts texts;
  flatten(tree, texts);
  return texts;
}

bool all_have(const Runs& runs, const std::string& name) {
  return std::all_of(runs.begin(), runs.end(), [&](const FinishedRun* run) { return run->has_file(name); });
}

std::vector<Texts> of_each(const Runs& runs, Texts (*texts_of)(const FinishedRun&)) {
  std::vector<Texts> texts;
  for (const auto* run : runs) texts.push_back(texts_of(*run));
  return texts;
}

}  // namespace

RunComparison compare_runs(const std::vector<std::string>& paths) {
  std::list<FinishedRun> opened;
  Runs runs;
  RunComparison comparison;
  for (const auto& path : paths) {
    opened.push_back(open_run(path));
    const auto& run = opened.back();
    runs.push_back(&run);
    comparison.runs.push_back({run.path, run.report.name, run.report.status, run.report.started_at, run.report.machine});
  }
  comparison.metrics = compare_metrics(runs);
  comparison.figures = compare_figures(runs);
  comparison.steps = compare_steps(runs);
  if (all_have(runs, "model.safetensors")) comparison.layers = differences_of(of_each(runs, layers_of));
  else comparison.notes.emplace_back("layers are not compared: not every run has its model.safetensors");
  if (all_have(runs, "recipe.resolved.yaml")) comparison.recipe = differences_of(of_each(runs, settings_of));
  else comparison.notes.emplace_back("recipes are not compared: not every run has its recipe.resolved.yaml");
  const bool timed = std::any_of(runs.begin(), runs.end(), [](const FinishedRun* run) { return !run->report.latency.empty(); });
  if (timed) comparison.notes.emplace_back("latencies come from different runs and may differ by the machine's load alone: `gate` and `bench` time models in turn");
  return comparison;
}

}  // namespace dsc
