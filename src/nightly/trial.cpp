#include "nightly/trial.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <filesystem>
#include <list>

#include "core/interrupt.h"
#include "core/log.h"
#include "exec/asked_engine.h"
#include "pipeline/measure.h"
#include "pipeline/prepare.h"

namespace dsc {
namespace {

// The run's model alone, on other examples.
Recipe recipe_on(const FinishedRun& run, const SplitConfig& split, const std::optional<NormalizeConfig>& normalize, const PassTable& passes) {
  auto recipe = recipe_of(run, passes);
  recipe.model = {};
  recipe.model.path.path = run.model_file();
  recipe.passes.steps.clear();
  recipe.evaluate.latency.reset();
  recipe.data = {};
  recipe.data.eval = split;
  recipe.data.normalize = normalize;
  return recipe;
}

EngineChoice deployed_engine(const Recipe& recipe) {
  return recipe.deploy.openvino ? deployed_choice(*recipe.deploy.openvino) : EngineChoice{.engine = "libtorch", .device = recipe.device};
}

// A version's model, ready to run on examples.
struct ReadyVersion {
  Recipe recipe;
  PreparedRun prepared;
  std::unique_ptr<Engine> engine;

  ReadyVersion(const FinishedRun& run, const SplitConfig& split, const std::optional<NormalizeConfig>& normalize, const PassTable& passes)
      : recipe(recipe_on(run, split, normalize, passes)),
        prepared(prepare_run(recipe)),
        engine(make_engine(prepared.model, deployed_engine(recipe), static_cast<int>(recipe.threads))) {}
  const Dataset& data() const { return *prepared.resources.data.at(Split::eval); }
};

SplitConfig tensor_file(const std::string& path, const std::string& label) {
  SplitConfig split;
  split.format = DataFormat::tensors;
  split.path.path = path;
  split.split = "all";
  split.label = label;
  return split;
}

// Adds `rows` x columns: one feature for each column.
void add_columns(std::vector<Feature>& features, std::size_t& next, const at::Tensor& rows, const std::string& name) {
  const at::Tensor converted = rows.to(at::kCPU, at::kDouble);
  const auto values = converted.accessor<double, 2>();
  for (std::int64_t column = 0; column < values.size(1); ++column, ++next) {
    if (next == features.size()) features.push_back({.name = values.size(1) == 1 ? name : name + " " + std::to_string(column), .values = {}});
    for (std::int64_t row = 0; row < values.size(0); ++row) features[next].values.push_back(values[row][column]);
  }
}

// One row of features for each example of the batch.
void add_batch(std::vector<Feature>& features, const Batch& batch, const std::vector<at::Tensor>& outputs, const Dataset& data) {
  constexpr std::int64_t kMostColumns = 64;
  const auto count = static_cast<std::int64_t>(batch.indices.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    if (!batch.inputs[i].is_floating_point()) continue;
    const at::Tensor rows = batch.inputs[i].narrow(0, 0, count).reshape({count, -1});
    const auto& names = data.info().input_names;
    const std::string name = i < names.size() ? names[i] : "input " + std::to_string(i);
    if (rows.size(1) <= kMostColumns) {
      add_columns(features, next, rows, name);
    } else {
      add_columns(features, next, rows.mean(1, true), "mean of " + name);
      add_columns(features, next, rows.std(1, true, true), "deviation of " + name);
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].dim() < 2 || outputs[i].size(0) < count) continue;
    const at::Tensor rows = outputs[i].narrow(0, 0, count).reshape({count, -1});
    add_columns(features, next, rows.narrow(1, 0, std::min(kMostColumns, rows.size(1))), "output");
  }
}

std::vector<Feature> features_of(ReadyVersion& version) {
  constexpr std::int64_t kMostExamples = 5000;  // at even distances
  const at::NoGradGuard no_grad;
  std::vector<Feature> features;
  const auto& evaluate = version.recipe.evaluate;
  AskedEngine asked(version.engine.get(), evaluate.windows);
  BatchLoader loader(version.data(),
                     {.batch = examples_at_once(version.data(), evaluate.batch, evaluate.windows), .limit = kMostExamples, .fill_last = true});
  while (const auto batch = loader.next()) {
    throw_if_interrupted();
    add_batch(features, *batch, asked.engine().run(batch->inputs), version.data());
  }
  return features;
}

// Medians and quantiles of one measurement, all timed in turn.
std::vector<Figures> time_once(const std::vector<const FinishedRun*>& runs, const PassTable& passes) {
  std::list<Model> models;  // engines point to them
  std::vector<Candidate> candidates;
  LatencyConfig config;
  int threads = 0;
  for (const auto* run : runs) {
    auto recipe = recipe_of(*run, passes);
    if (!recipe.evaluate.latency) recipe.evaluate.latency.emplace();
    if (candidates.empty()) {
      config = *recipe.evaluate.latency;
      threads = latency_threads(recipe);
    }
    models.push_back(open_model(run->model_file()));
    candidates.push_back({run->folder, &models.back(), deployed_engine(recipe)});
  }
  auto options = latency_options(config);
  Progress progress("latency");
  options.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("rounds", done, total);
  };
  std::vector<Figures> figures;
  for (const auto& record : measure_candidates(candidates, {{config.batch.front()}, config.size}, threads, options)) {
    figures.push_back({{"latency_p50", record.p50_ms}, {"latency_p90", record.p90_ms}, {"latency_p99", record.p99_ms}});
  }
  return figures;
}

}  // namespace

Recipe recipe_of(const FinishedRun& run, const PassTable& passes) {
  return load_recipe(RecipeInput{.path = run.recipe_file(), .vars_files = {}, .overrides = {}}, passes);
}

std::optional<TrialExamples> trial_examples(const Loop& loop, const Traffic& traffic, const FinishedRun& run, const PassTable& passes) {
  TrialExamples examples{.split = {}, .normalize = {}, .metrics = budgeted_metrics(loop.budgets)};
  if (std::ranges::find(examples.metrics, loop.trial.metric) == examples.metrics.end()) examples.metrics.push_back(loop.trial.metric);
  const auto recipe = recipe_of(run, passes);
  examples.normalize = recipe.data.normalize;
  if (loop.traffic) {
    if (!std::filesystem::exists(traffic.trial_file())) return std::nullopt;
    examples.split = tensor_file(traffic.trial_file(), loop.traffic->label);
  } else {
    if (!recipe.data.eval) return std::nullopt;
    examples.split = *recipe.data.eval;
  }
  return examples;
}

Evaluation evaluate_version(const FinishedRun& run, const TrialExamples& examples, const PassTable& passes) {
  ReadyVersion version(run, examples.split, examples.normalize, passes);
  Progress progress("version in " + run.folder);
  EvaluateOptions options{.metrics = examples.metrics, .batch = version.recipe.evaluate.batch};
  options.windows = version.recipe.evaluate.windows;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("evaluate", done, total);
  };
  return evaluate_examples(*version.engine, version.data(), options);
}

std::vector<Figures> time_versions(const LoopBudgets& budgets, const std::vector<const FinishedRun*>& runs, const PassTable& passes) {
  constexpr int kMostTimes = 3;
  LoopBudgets of_latency = budgets;
  std::erase_if(of_latency, [](const auto& budget) { return !budget.first.starts_with("latency"); });
  const auto is_kept = [&](const Figures& figures) { return std::ranges::all_of(check_budgets(of_latency, figures), &GateRecord::passed); };
  auto least = time_once(runs, passes);
  for (int times = 1; times < kMostTimes && !std::ranges::all_of(least, is_kept); ++times) {
    const auto again = time_once(runs, passes);
    for (std::size_t i = 0; i < least.size(); ++i) {
      for (auto& [figure, value] : least[i]) value = std::min(value, again[i].at(figure));
    }
  }
  return least;
}

FeatureDrift drift_of(const FinishedRun& run, const Traffic& traffic, const PassTable& passes) {
  const auto recipe = recipe_of(run, passes);
  const bool knows_traffic = run.has_file(kKnownTraffic);
  if (!knows_traffic && !recipe.data.eval) {
    throw Error(ErrorCode::recipe, "there is nothing to measure drift against", {.file = run.recipe_file()}, "add data.eval to the recipe");
  }
  ReadyVersion before(run, knows_traffic ? tensor_file(run.file(kKnownTraffic), "") : *recipe.data.eval, recipe.data.normalize, passes);
  ReadyVersion now(run, tensor_file(traffic.all_file(), ""), recipe.data.normalize, passes);
  return largest_drift(features_of(before), features_of(now));
}

}  // namespace dsc
