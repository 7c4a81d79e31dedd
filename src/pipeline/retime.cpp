#include "pipeline/retime.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/interrupt.h"
#include "core/log.h"
#include "core/printed.h"
#include "eval/latency_ratio.h"
#include "exec/executor.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

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
  std::unique_ptr<Engine> make(std::int64_t threads) const {
    return make_engine(model, latency_engine(recipe), threads > 0 ? static_cast<int>(threads) : latency_threads(recipe));
  }
};

// Two engines of one model.
class EnginePair {
 public:
  EnginePair(const TimedModel& timed, const LatencyConfig& config, std::int64_t threads) : engines_{timed.make(threads), timed.make(threads)} {
    constexpr std::uint64_t kInputSeed = 1;
    for (std::size_t i = 0; i < 2; ++i) timed_[i] = {engines_[i].get(), example_inputs(timed.model, config.batch.front(), kInputSeed, config.size)};
  }
  const std::array<TimedEngine, 2>& timed() const { return timed_; }
  std::string name() const { return engines_.front()->name(); }

 private:
  std::array<std::unique_ptr<Engine>, 2> engines_;
  std::array<TimedEngine, 2> timed_;
};

RetimedRecord time_both(const TimedModel& before, const TimedModel& now, std::int64_t threads) {
  const auto& config = before.config;
  const EnginePair of_before(before, config, threads), of_now(now, config, threads);
  RoundTimer timer(of_before.timed(), of_now.timed());
  const auto start = std::chrono::steady_clock::now();
  Progress progress("latency against the baseline");
  std::int64_t count = 0;
  const auto round = [&] {
    throw_if_interrupted();
    ++count;
    progress.update("rounds", count, count);
    return timer();
  };
  const auto seconds = [start] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const SettleOptions options{.max_seconds = 2 * config.max_seconds};
  const auto timed = time_until_settled(round, seconds, options);
  const auto ratio = compare_rounds(timed.rounds);
  RetimedRecord record{.method = "timed in turn",
                       .engine = of_now.name(),
                       .batch = config.batch.front(),
                       .baseline_ms = ratio.before_ms,
                       .now_ms = ratio.now_ms,
                       .growth = ratio.growth,
                       .low = ratio.low,
                       .high = ratio.high,
                       .noise = ratio.noise,
                       .mann_whitney_p = ratio.mann_whitney_p};
  record.rounds = count;
  if (!timed.settled) record.note = printed("timed for %.0f s, and the noise was still that large: the machine is busy", seconds());
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

std::optional<RetimedRecord> compare_speedups(const FinishedRun& baseline, const FinishedRun& run, const PassTable& passes, std::int64_t threads) {
  const auto before = compare_ends(baseline.report).latency_speedup, now = compare_ends(run.report).latency_speedup;
  if (!before || !now) return std::nullopt;
  RetimedRecord record{.method = "speed-ups of the runs", .batch = run.report.latency.front().batch};
  record.growth = *before / *now - 1;
  const auto* there = can_be_timed(run) ? &run : can_be_timed(baseline) ? &baseline : nullptr;
  if (there) {
    const TimedModel model(*there, passes);
    const auto itself = time_both(model, model, threads);
    record.engine = itself.engine;
    record.noise = itself.noise;
    record.rounds = itself.rounds;
    record.note = itself.note;
  } else {
    record.noise = stored_noise(baseline, run);
  }
  record.low = record.growth - record.noise;
  record.high = record.growth + record.noise;
  return record;
}

}  // namespace

std::optional<RetimedRecord> compare_latencies(const FinishedRun& baseline, const FinishedRun& run, const PassTable& passes, std::int64_t threads) {
  if (!can_be_timed(baseline) || !can_be_timed(run)) return compare_speedups(baseline, run, passes, threads);
  return time_both(TimedModel(baseline, passes), TimedModel(run, passes), threads);
}

}  // namespace dsc
