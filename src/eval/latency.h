// Latency and memory of engines, interleaved, with spread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "exec/engine.h"

namespace dsc {

struct LatencyOptions {
  std::int64_t warmup = 5;          // runs of each engine before any counts
  std::int64_t iterations = 50;     // counted runs of each engine at least
  double min_seconds = 1;           // and at least so long for each engine
  double max_seconds = 20;          // but no longer
  std::function<void(std::int64_t, std::int64_t)> progress;
};

struct LatencyResult {
  std::string engine;
  std::int64_t runs = 0;
  double p50_ms = 0, p90_ms = 0, p99_ms = 0, min_ms = 0, mean_ms = 0;
  double spread = 0;                // (p75 - p25) / p50
  double throughput_per_s = 0;      // examples a second at p50
};

// Times the engines in turn (A B C A B C ...), so that drift of the machine hits all alike. inputs: one list per engine.
std::vector<LatencyResult> measure_latency(const std::vector<Engine*>& engines,
                                           const std::vector<std::vector<at::Tensor>>& inputs, const LatencyOptions& options);

std::int64_t peak_memory_bytes();  // of this process so far (resident set)

}  // namespace dsc
