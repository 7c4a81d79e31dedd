#include "pipeline/step_latency.h"

#include <algorithm>

#include "core/interrupt.h"
#include "dscompress/error.h"
#include "pipeline/measure.h"

namespace dsc {

void time_step(const Recipe& recipe, const Model& model, const Model& base, StepRecord& record) {
  const auto& config = *recipe.evaluate.latency;
  const auto choice = latency_engine(recipe);
  auto options = latency_options(config);
  options.warmup = std::min<std::int64_t>(options.warmup, 3);
  options.iterations = std::min<std::int64_t>(options.iterations, 10);
  options.min_seconds = std::min(options.min_seconds, 0.2);
  options.max_seconds = std::min(options.max_seconds, 2.0);
  options.progress = [](std::int64_t, std::int64_t) { throw_if_interrupted(); };
  try {
    const auto timed = measure_candidates({{"base", &base, choice}, {"step", &model, choice}}, {{config.batch.front()}, config.size}, latency_threads(recipe), options);
    record.latency = StepLatencyRecord{timed[1].engine, timed[1].batch, timed[1].p50_ms, timed[0].p50_ms};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    record.notes.push_back(std::string("its latency was not measured: ") + error.what());
  }
}

}  // namespace dsc
