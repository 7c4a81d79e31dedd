#include "sweep/front_eval.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "exec/executor.h"
#include "io/pt2.h"
#include "pipeline/prepare.h"
#include "pipeline/run_folder.h"
#include "sweep/summary.h"

namespace dsc::sweep {
namespace {

namespace fs = std::filesystem;

// The compressed model of a run on the recipe's data.eval, in LibTorch.
Metrics evaluate_run(Recipe recipe, const std::string& run) {
  recipe.model = {};
  recipe.model.path.path = absolute_path(run + "/model.pt2");
  recipe.passes.steps.clear();
  recipe.evaluate.baseline.clear();
  recipe.evaluate.latency.reset();
  recipe.data.train.reset();
  recipe.data.valid.reset();
  recipe.data.calibration.reset();
  recipe.data.more.clear();
  const auto prepared = prepare_run(recipe);
  std::optional<Model> base;
  if (compares_with_base(recipe.evaluate.metrics)) base = read_pt2(RunFolder(run).baseline_model());
  Progress progress("front on data.eval");
  return evaluate_model(prepared.model, base ? &*base : nullptr, *prepared.resources.data.at(Split::eval), prepared.resources, 0, [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("examples", done, total);
  }).metrics;
}

}  // namespace

FrontMetrics read_front_metrics(const Folder& folder) {
  FrontMetrics metrics;
  const auto path = folder.file("front_eval.json");
  if (!fs::exists(path)) return metrics;
  const auto json = nlohmann::json::parse(read_file(path));
  for (const auto& [trial, values] : json.items()) metrics[std::stoll(trial)] = values.get<std::map<std::string, double>>();
  return metrics;
}

void evaluate_front(const Folder& folder, const PassTable& passes) {
  const auto settings = folder.read_settings();
  if (settings.choose_on == ChooseOn::eval) return;
  const auto recipe = load_recipe(RecipeInput{.path = folder.file("queue/base.yaml"), .vars_files = {}, .overrides = {}}, passes);
  if (!recipe.data.eval) return;
  set_threads(static_cast<int>(recipe.threads));
  auto metrics = read_front_metrics(folder);
  const auto report = collect_report(folder);
  for (const auto index : pareto_front(report)) {
    const auto number = report.trials[index].number;
    if (metrics.contains(number)) continue;
    std::vector<std::optional<std::int64_t>> seeds(settings.seeds.begin(), settings.seeds.end());
    if (seeds.empty()) seeds.emplace_back();
    std::map<std::string, double> mean;
    for (const auto& seed : seeds) {
      for (const auto& [metric, value] : evaluate_run(recipe, folder.run_folder(number, seed))) mean[metric] += value / static_cast<double>(seeds.size());
    }
    metrics[number] = std::move(mean);
    nlohmann::ordered_json json;
    for (const auto& [trial, values] : metrics) json[std::to_string(trial)] = values;
    write_file_atomically(folder.file("front_eval.json"), json.dump(2) + "\n");
  }
}

}  // namespace dsc::sweep
