// Whether one run's model is slower than another's.
#pragma once

#include "pipeline/finished_run.h"
#include "pipeline/recipe.h"
#include "report/gate_report.h"

namespace dsc {

// Times both models in turn in this process, each as its own recipe deploys it (eval/latency_ratio.h), until it is known how far
// each is from itself, or the recipe's max_seconds for both are over. Where a model is missing, each run's own speed-up over its base is compared,
// and the noise is that of the model that is there, timed against itself, or else half the quartile spread of the stored
// timings. threads: 0, as the recipes say. None: nothing to compare.
std::optional<RetimedRecord> compare_latencies(const FinishedRun& baseline, const FinishedRun& run, const PassTable& passes, std::int64_t threads);

}  // namespace dsc
