#include "pipeline/exit_deployment.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>

#include "core/interrupt.h"
#include "core/log.h"
#include "core/printed.h"
#include "deploy/exit_folder.h"
#include "exec/resolutions.h"
#include "ops/cost.h"
#include "pipeline/deployed_evaluation.h"
#include "pipeline/variants.h"

namespace dsc {
namespace {

constexpr std::int64_t kTimedExamples = 1000;  // at most

// What a model is deployed as where examples may leave early.
struct Chain {
  ExitStages stages;
  std::string folder;
  std::string how;  // for names of figures
};
std::optional<Chain> chain_of(const Model& model) {
  if (exits_of(model)) return Chain{exit_stages(model), "exits", "with early exits"};
  if (resolutions_of(model)) return Chain{resolution_stages(model), "resolutions", "over resolutions"};
  return std::nullopt;
}

double milliseconds_of(Engine& engine, const std::vector<at::Tensor>& inputs) {
  const auto start = std::chrono::steady_clock::now();
  engine.run(inputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// One example at a time, all in turn.
struct ExampleTimes {
  std::vector<double> base, whole, chain;  // milliseconds; whole: the chain's network, which nobody leaves early
  std::vector<std::int64_t> taken;         // the stage that each left at
};

ExampleTimes time_examples(Engine& base, Engine& whole, ExitChain& chain, const Dataset& data) {
  const at::NoGradGuard no_grad;
  BatchLoader loader(data, {.batch = 1, .limit = kTimedExamples, .workers = 0});
  ExampleTimes times;
  Progress progress("latency of exits");
  for (std::int64_t done = 0; const auto batch = loader.next(); ++done) {
    throw_if_interrupted();
    progress.update("examples", done, loader.batch_count());
    for (Engine* engine : {&base, &whole, static_cast<Engine*>(&chain)}) engine->run(batch->inputs);  // a length that is new costs kernels once
    times.base.push_back(milliseconds_of(base, batch->inputs));
    times.whole.push_back(milliseconds_of(whole, batch->inputs));
    times.chain.push_back(milliseconds_of(chain, batch->inputs));
    times.taken.push_back(chain.taken().item<std::int64_t>());
  }
  return times;
}

double mean_of(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// A line for each exit, and one for all.
TableRecord latency_table(const ExitChain& chain, const std::string& how, const ExampleTimes& times) {
  TableRecord table{"latency " + how + ", one example of data.eval at a time",
                    {"leave at", "examples", "mean ms", "mean ms of the whole network", "mean ms of the base"},
                    {}};
  const auto& stages = chain.plan().stages;
  const auto add = [&](const std::string& name, auto is_meant) {
    std::vector<std::string> row{name};
    for (const auto* all : {&times.chain, &times.whole, &times.base}) {
      std::vector<double> meant;
      for (std::size_t i = 0; i < times.taken.size(); ++i) {
        if (is_meant(times.taken[i])) meant.push_back((*all)[i]);
      }
      if (row.size() == 1) row.push_back(std::to_string(meant.size()));
      row.push_back(meant.empty() ? "" : printed("%.3f", mean_of(meant)));
    }
    table.rows.push_back(std::move(row));
  };
  for (std::size_t s = 0; s < stages.size(); ++s)
    add(stages[s].block.empty() ? "the end" : stages[s].block, [&](std::int64_t stage) { return stage == static_cast<std::int64_t>(s); });
  add("all", [](std::int64_t) { return true; });
  return table;
}

void record_latency(const Recipe& recipe, const PreparedRun& run, const Model& base, ExitChain& chain, const std::string& how, StepRecord& step) {
  const auto engine_of = [&](const Model& model) { return make_engine(model, deployment_engine(recipe), latency_threads(recipe)); };
  const ExampleTimes times = time_examples(*engine_of(base), *engine_of(run.model), chain, *run.resources.data.at(Split::eval));
  step.tables.push_back(latency_table(chain, how, times));
  const double mean = mean_of(times.chain);
  step.statistics.insert(step.statistics.end(),
                         {{"mean_latency_" + std::string(how == "with early exits" ? "with_exits" : "over_resolutions"), mean, "ms"},
                          {"mean_latency_of_the_whole_network", mean_of(times.whole), "ms"},
                          {"mean_latency_of_the_base", mean_of(times.base), "ms"},
                          {"share_of_the_whole_network's_mean_latency", mean / mean_of(times.whole), "fraction"},
                          {"share_of_the_base's_mean_latency", mean / mean_of(times.base), "fraction"}});
}

// Each alone, whatever its scores.
void record_resolutions(const Recipe& recipe, const PreparedRun& run, const Model& base, const ExitStages& stages, StepRecord& step) {
  TableRecord table{"resolutions as deployed", {"resolution", "MACs"}, {}};
  std::vector<const Model*> models;
  for (std::size_t i = 0; i < stages.models.size(); ++i) {
    models.push_back(&stages.models[i]);
    table.rows.push_back({stages.plan.stages[i].block, printed("%.4g", model_cost(stages.models[i]).macs)});
  }
  judge_variants(recipe, run, base, models, "resolution", table);
  step.tables.push_back(std::move(table));
}

}  // namespace

void deploy_exits(const Recipe& recipe, const PreparedRun& run, const Model& base, const RunFolder& folder, Report& report,
                  Predictions& predictions) {
  const auto made = chain_of(run.model);
  if (!made) return;
  log_info("writing " + made->folder + "/");
  const Artifact artifact = write_exit_folder(made->stages, folder.file(made->folder), recipe.deploy.openvino.has_value());
  folder.carry_tokenizer(tokenizer_of(recipe), made->folder + "/chain");
  report.files.push_back({made->folder + "/" + kChainFile, artifact.format, artifact.size_bytes, 0, artifact.check});
  if (resolutions_of(run.model)) record_resolutions(recipe, run, base, made->stages, report.steps.back());
  if (!run.resources.data.contains(Split::eval)) return;
  const auto chain = open_exit_chain(artifact.path, deployment_engine(recipe), static_cast<int>(recipe.threads));
  auto evaluation = evaluate_deployed_form(*chain, base, recipe, run, "chain " + made->how);
  DeployedRecord record = describe_deployed(*chain);
  record.metrics = evaluation.metrics;
  report.deployed.insert(report.deployed.begin(), std::move(record));  // what counts
  predictions.keep(kCompressedDeployed, std::move(evaluation));
  if (!recipe.evaluate.latency) return;
  const auto timed = open_exit_chain(artifact.path, deployment_engine(recipe), latency_threads(recipe));
  record_latency(recipe, run, base, *timed, made->how, report.steps.back());
}

void rehearse_exits(const Recipe& recipe, const Model& model) {
  const auto made = chain_of(model);
  if (!made) return;
  for (const Model& stage : made->stages.models) make_engine(stage, deployment_engine(recipe), static_cast<int>(recipe.threads));
}

}  // namespace dsc
