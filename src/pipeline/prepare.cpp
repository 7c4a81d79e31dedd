#include "pipeline/prepare.h"

#include <algorithm>
#include <filesystem>

#include "core/build_fingerprint.h"
#include "core/hash.h"
#include "core/printed.h"
#include "core/random.h"
#include "core/tree.h"
#include "data/batch_order.h"
#include "data/open.h"
#include "deploy/exit_folder.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"
#include "pipeline/robustness.h"
#include "pipeline/step_files.h"
#include "pipeline/windows.h"

namespace dsc {
namespace {

constexpr std::string_view kMore = "more.";

// What binding a data set changed of what the recipe says.
std::vector<std::string> binding_notes(const Dataset& dataset, const Recipe& recipe) {
  const std::int64_t fixed = dataset.info().fixed_batch;
  if (fixed == 0) return {};
  return {"batches have " + std::to_string(fixed) + " examples, as the model was exported, whatever the recipe says (evaluate.batch: " + std::to_string(recipe.evaluate.batch) + ")"};
}

// Numbers of classes are those of the first split, data.train where there is one, in all of them.
void share_classes(std::vector<DataSection>& sections) {
  const auto is_folder = [](const DataSection& section) { return section.config.format == DataFormat::image_folder; };
  const auto first = std::ranges::find_if(sections, is_folder);
  if (first == sections.end()) return;
  std::vector<std::string> classes;
  try {
    classes = class_names_of(first->config);
  } catch (const Error&) {
    return;  // opening the section says so, with its place in the recipe
  }
  for (auto section = first + 1; section != sections.end(); ++section) {
    if (is_folder(*section) && section->config.text.classes.empty()) section->config.text.classes = classes;
  }
}

// In which a section is seen; null: whole, as trainings see it.
const WindowOptions* windows_of(const Recipe& recipe, const DataSection& section) {
  const bool is_evaluated = section.split == Split::eval || section.split == Split::valid;
  return is_evaluated && recipe.evaluate.windows ? &*recipe.evaluate.windows : nullptr;
}

std::vector<Problem> window_problems(const Recipe& recipe, const WindowOptions& windows, const Dataset& dataset, const Model& model) {
  const std::string pointer = "/evaluate/windows";
  try {
    auto problems = check_windows(dataset.info(), model, windows);
    for (auto& problem : problems) problem.place = recipe.place_of(pointer + problem.place.pointer);
    return problems;
  } catch (const Error& error) {
    throw place_below(recipe, pointer, error);
  }
}

std::vector<Problem> problems_of(const Recipe& recipe, const DataSection& section, const Dataset& dataset, const Model& model) {
  const auto* windows = windows_of(recipe, section);
  if (windows) {
    if (auto problems = window_problems(recipe, *windows, dataset, model); !problems.empty()) return problems;
  }
  auto problems = check_against_model(windows ? in_windows(dataset.info(), *windows) : dataset.info(), model);
  for (auto& problem : problems) problem.place = recipe.place_of(section.pointer);
  return problems;
}

void open_data(const Recipe& recipe, const Model& model, RunResources& resources) {
  std::vector<Problem> problems;
  for (const auto& section : data_sections(recipe)) {
    const std::string title = "data." + section.name + ": ";
    try {
      auto dataset = bind_inputs(open_dataset(section.config, recipe.data.normalize, recipe.limit), model);
      for (auto problem : problems_of(recipe, section, *dataset, model)) {
        problem.message = title + problem.message;
        problems.push_back(std::move(problem));
      }
      if (const auto* windows = windows_of(recipe, section)) resources.data_notes.push_back(title + describe_windows(dataset->info(), *windows));
      for (const auto& note : binding_notes(*dataset, recipe)) resources.data_notes.push_back(title + note);
      for (const auto& note : dataset->info().notes) resources.data_notes.push_back(title + note);
      const bool is_trained_on = section.split == Split::train;  // in other batches, whose padding is a curve of the training
      if (const double padding = is_trained_on ? 0 : padding_in_batches(*dataset, recipe.evaluate.batch); padding > 0) {
        resources.data_notes.push_back(title + printed("%.1f %% of the tokens are padding in batches of %lld", 100 * padding, static_cast<long long>(recipe.evaluate.batch)));
      }
      if (section.split) {
        resources.data.emplace(*section.split, std::move(dataset));
      } else {
        resources.more.emplace(section.name.substr(kMore.size()), std::move(dataset));
      }
    } catch (const Error& error) {
      const Error placed = place_below(recipe, section.pointer, error);
      if (error.code() != ErrorCode::data) throw placed;
      problems.insert(problems.end(), placed.problems().begin(), placed.problems().end());
    }
  }
  if (!problems.empty()) throw Error(ErrorCode::data, std::move(problems));
}

// Times models as evaluate.latency says, at its first batch size.
std::vector<double> median_latencies(const Recipe& recipe, const std::vector<const Model*>& models) {
  std::vector<Candidate> candidates;
  for (const auto* model : models) candidates.push_back({"", model, latency_engine(recipe)});
  const auto& config = *recipe.evaluate.latency;
  std::vector<double> medians;
  for (const auto& record : measure_candidates(candidates, {{config.batch.front()}, config.size}, latency_threads(recipe), latency_options(config))) {
    medians.push_back(record.p50_ms);
  }
  return medians;
}

}  // namespace

std::string tokenizer_of(const Recipe& recipe) {
  for (const auto& section : data_sections(recipe)) {
    if (holds_text(section.config.format)) return section.config.text.tokenizer.path;
  }
  return {};
}

// Text is tokenised as its model wants it: by the tokenizer that was exported with it, unless the recipe names one.
std::vector<DataSection> data_sections(const Recipe& recipe) {
  std::vector<DataSection> sections;
  const auto beside = std::filesystem::path(exit_chain_file(recipe.model.path.path)).replace_extension(".tokenizer.xml").string();
  const auto add = [&](std::string name, std::string pointer, std::optional<Split> split, const SplitConfig& config) {
    sections.push_back({std::move(name), std::move(pointer), split, config});
    auto& tokenizer = sections.back().config.text.tokenizer.path;
    if (holds_text(config.format) && tokenizer.empty()) tokenizer = beside;
  };
  const auto add_split = [&](Split split, const std::optional<SplitConfig>& config) {
    const std::string name(to_string(split));
    if (config) add(name, "/data/" + name, split, *config);
  };
  add_split(Split::train, recipe.data.train);
  add_split(Split::valid, recipe.data.valid);
  add_split(Split::eval, recipe.data.eval);
  add_split(Split::calibration, recipe.data.calibration);
  for (const auto& [name, config] : recipe.data.more) add(std::string(kMore) + name, child_pointer("/data/more", name), std::nullopt, config);
  share_classes(sections);
  return sections;
}

namespace {

void open_rest(const Recipe& recipe, PreparedRun& run) {
  auto& resources = run.resources;
  resources.metrics = recipe.evaluate.metrics;
  resources.evaluation_batch = recipe.evaluate.batch;
  resources.windows = recipe.evaluate.windows;
  resources.device = recipe.device;
  if (recipe.evaluate.latency) {
    try {
      check_latency_batches(run.model, recipe.evaluate.latency->batch);
    } catch (const Error& error) {
      throw place_below(recipe, "/evaluate/latency", error);
    }
    resources.latencies_ms = [&recipe](const std::vector<const Model*>& models) { return median_latencies(recipe, models); };
  }
  open_data(recipe, run.model, resources);
}

}  // namespace

PreparedRun prepare_run(const Recipe& recipe) {
  PreparedRun run;
  run.model = open_model(recipe.model.path.path, recipe.model.weights.path, recipe.model.inputs);
  run.resources.model_notes = bring_into_form(run.model, !recipe.passes.steps.empty());
  open_rest(recipe, run);
  check_robustness(recipe, run.model);
  return run;
}

PreparedRun prepare_deployed_file(const Recipe& recipe, const std::string& file) {
  PreparedRun run;
  run.model = read_deployed_inputs(file);
  open_rest(recipe, run);
  return run;
}

void check_step(const Recipe& recipe, std::size_t index, const Model& model) {
  const auto& step = recipe.passes.steps.at(index);
  if (!step.info->check) return;
  auto problems = step.info->check(model, step.options.get());
  if (!problems.empty()) throw place_below(recipe, step_pointer(recipe, index), Error(ErrorCode::recipe, std::move(problems)));
}

std::uint64_t step_seed(const Recipe& recipe, std::size_t index) { return derive_seed(static_cast<std::uint64_t>(recipe.seed), "step", index); }

std::int64_t baseline_index(const Recipe& recipe) {
  if (recipe.evaluate.baseline.empty()) return 0;
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    if (recipe.passes.steps[i].name == recipe.evaluate.baseline) return static_cast<std::int64_t>(i) + 1;
  }
  return 0;  // not reached: check_recipe refuses unknown names
}

Fingerprints fingerprints_of(const Recipe& recipe, const std::vector<std::string>& plugins) {
  Fingerprints prints;
  prints["build"] = build_fingerprint();
  prints["recipe"] = fingerprint(dump_recipe(recipe));
  prints["model"] = fingerprint_path(recipe.model.path.path);
  if (!recipe.model.weights.empty()) prints["weights"] = fingerprint_path(recipe.model.weights.path);
  for (const auto& section : data_sections(recipe)) {
    std::string print = fingerprint_path(section.config.path.path);
    for (const auto& file : ingredients(section.config)) print += fingerprint_path(file);
    prints["data of " + section.name] = print;
  }
  for (const auto& test : recipe.evaluate.robustness) {
    if (!test.path.empty()) prints["robustness " + test.path.path] = fingerprint_path(test.path.path);
  }
  for (const auto& step : recipe.passes.steps) {
    for (const auto& path : files_of(step)) prints["file " + path] = fingerprint_path(path);
  }
  for (const auto& plugin : plugins) prints["plugin " + plugin] = fingerprint_path(plugin);
  return prints;
}

}  // namespace dsc
