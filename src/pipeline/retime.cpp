#include "pipeline/retime.h"

#include <algorithm>
#include <cmath>

#include "core/interrupt.h"
#include "core/log.h"
#include "eval/paired.h"
#include "exec/executor.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

constexpr std::int64_t kRounds = 9;  // medians of these are compared: single runs of one process are correlated

// A run's model with the engine that its recipe deploys it to.
struct TimedModel {
  Recipe recipe;
  LatencyConfig config;
  Model model;

  TimedModel(const FinishedRun& run, const PassTable& passes)
      : recipe(load_recipe(RecipeInput{.path = run.recipe_file(), .vars_files = {}, .overrides = {}}, passes)),
        config(recipe.evaluate.latency.value_or(LatencyConfig{})),
        model(open_model(run.model_file())) {
    recipe.evaluate.latency = config;
  }
  std::unique_ptr<Engine> make() const { return make_engine(model, latency_engine(recipe), latency_threads(recipe)); }
};

// Medians of each round for each model, all timed in turn.
std::vector<std::vector<double>> time_in_turn(const std::vector<const TimedModel*>& models, std::vector<std::string>& engines) {
  constexpr std::uint64_t kInputSeed = 1;
  const auto& config = models.front()->config;
  std::vector<std::unique_ptr<Engine>> made;
  std::vector<Engine*> pointers;
  std::vector<std::vector<at::Tensor>> inputs;
  for (const auto* timed : models) {
    made.push_back(timed->make());
    pointers.push_back(made.back().get());
    engines.push_back(made.back()->name());
    inputs.push_back(example_inputs(timed->model, config.batch.front(), kInputSeed, config.size));
  }
  LatencyOptions options{.warmup = config.warmup, .iterations = std::max<std::int64_t>(5, config.iterations / kRounds),
                         .min_seconds = config.min_seconds / kRounds, .max_seconds = config.max_seconds / kRounds};
  Progress progress("latency against the baseline");
  std::vector<std::vector<double>> medians(models.size());
  for (std::int64_t round = 0; round < kRounds; ++round) {
    throw_if_interrupted();
    const auto results = measure_latency(pointers, inputs, options);
    for (std::size_t i = 0; i < results.size(); ++i) medians[i].push_back(results[i].p50_ms);
    progress.update("rounds", round + 1, kRounds);
  }
  return medians;
}

double noise_of(const std::vector<double>& once, const std::vector<double>& again) { return std::abs(median(again) / median(once) - 1); }

RetimedRecord time_both(const FinishedRun& baseline, const FinishedRun& run, const PassTable& passes) {
  const TimedModel before(baseline, passes), now(run, passes);
  std::vector<std::string> engines;
  const auto medians = time_in_turn({&before, &now, &before}, engines);
  RetimedRecord record{.method = "timed in turn", .engine = engines[1], .batch = now.config.batch.front()};
  record.noise = noise_of(medians[0], medians[2]);
  auto both = medians[0];
  both.insert(both.end(), medians[2].begin(), medians[2].end());
  record.baseline_ms = median(both);
  record.now_ms = median(medians[1]);
  record.growth = *record.now_ms / *record.baseline_ms - 1;
  const auto interval = bootstrap_median_ratio(both, medians[1], {.confidence = kPairedConfidence});
  record.low = interval.low - 1;
  record.high = interval.high - 1;
  record.mann_whitney_p = mann_whitney(both, medians[1]);
  return record;
}

bool can_be_timed(const FinishedRun& run) { return run.has_file("model.pt2") && run.has_file("recipe.resolved.yaml"); }

double stored_noise(const FinishedRun& baseline, const FinishedRun& run) {
  double spread = 0;
  for (const auto* report : {&baseline.report, &run.report}) {
    for (const auto& record : report->latency) spread = std::max(spread, record.spread);
  }
  return spread / 2;
}

std::optional<RetimedRecord> compare_speedups(const FinishedRun& baseline, const FinishedRun& run, const PassTable& passes) {
  const auto before = compare_ends(baseline.report).latency_speedup, now = compare_ends(run.report).latency_speedup;
  if (!before || !now) return std::nullopt;
  RetimedRecord record{.method = "speed-ups of the runs", .batch = run.report.latency.front().batch};
  record.growth = *before / *now - 1;
  const auto* there = can_be_timed(run) ? &run : can_be_timed(baseline) ? &baseline : nullptr;
  if (there) {
    const TimedModel model(*there, passes);
    std::vector<std::string> engines;
    const auto medians = time_in_turn({&model, &model}, engines);
    record.engine = engines.front();
    record.noise = noise_of(medians[0], medians[1]);
  } else {
    record.noise = stored_noise(baseline, run);
  }
  record.low = record.growth - record.noise;
  record.high = record.growth + record.noise;
  return record;
}

}  // namespace

std::optional<RetimedRecord> compare_latencies(const FinishedRun& baseline, const FinishedRun& run, const PassTable& passes) {
  if (can_be_timed(baseline) && can_be_timed(run)) return time_both(baseline, run, passes);
  return compare_speedups(baseline, run, passes);
}

}  // namespace dsc
