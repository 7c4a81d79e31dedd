// Training throughput: whole steps (forward, loss, backward, SGD) on synthetic inputs, without data loading.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dscompress/model.h"
#include "eval/step_profile.h"

namespace dsc {

struct TrainingBenchOptions {
  std::int64_t batch = 128;
  std::int64_t open_size = 0;    // of other open dimensions, such as a sequence's length; 0: as in the exported example
  bool bf16 = false;             // autocast
  bool channels_last = false;
  std::string device = "cpu";
  std::int64_t warmup = 2;       // steps
  std::int64_t steps = 10;       // counted steps at least
  double min_seconds = 2;
  double max_seconds = 60;
  std::uint64_t seed = 0;
  bool layers = false;                                                  // as many steps again, profiled; on the CPU only
  std::function<void(std::int64_t step, std::int64_t steps)> progress;  // may throw cancelled
};

struct TrainingBenchResult {
  std::int64_t batch = 0;
  std::int64_t steps = 0;
  double p50_ms = 0, min_ms = 0, mean_ms = 0;   // a step
  double spread = 0;                            // (p75 - p25) / p50
  double examples_per_second = 0;               // at p50
  double final_loss = 0;
  std::vector<LayerTime> layers;  // of the profiled steps; with (loss), (gradients), (optimizer)
  double profiled_ms = 0;         // a step with its profile, mean: what no layer took is the engines' own
};

// Trains the model, whose weights change. Classification targets: random class numbers for the last dimension of the first output.
// errors: numeric, when the loss is not finite; unsupported, `layers` elsewhere than on the CPU; those of the executor.
TrainingBenchResult bench_training(Model& model, const TrainingBenchOptions& options);

}  // namespace dsc
