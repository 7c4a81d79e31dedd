#include "eval/latency.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>
#include <string>

namespace dsc {
namespace {

using Clock = std::chrono::steady_clock;

double run_ms(Engine& engine, const std::vector<at::Tensor>& inputs) {
  const auto start = Clock::now();
  engine.run(inputs);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Linear interpolation between the two nearest ranks, as NumPy's default.
double percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(position);
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (position - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

LatencyResult summarise(const Engine& engine, std::vector<double> times_ms, const std::vector<at::Tensor>& inputs) {
  std::sort(times_ms.begin(), times_ms.end());
  LatencyResult result;
  result.engine = engine.name();
  result.runs = static_cast<std::int64_t>(times_ms.size());
  result.p50_ms = percentile(times_ms, 0.5);
  result.p90_ms = percentile(times_ms, 0.9);
  result.p99_ms = percentile(times_ms, 0.99);
  result.min_ms = times_ms.front();
  result.mean_ms = std::accumulate(times_ms.begin(), times_ms.end(), 0.0) / static_cast<double>(times_ms.size());
  result.spread = (percentile(times_ms, 0.75) - percentile(times_ms, 0.25)) / result.p50_ms;
  const bool has_batch = !inputs.empty() && inputs[0].dim() > 0;
  result.throughput_per_s = 1000.0 / result.p50_ms * static_cast<double>(has_batch ? inputs[0].size(0) : 1);
  return result;
}

}  // namespace

std::vector<LatencyResult> measure_latency(const std::vector<Engine*>& engines, const std::vector<std::vector<at::Tensor>>& inputs,
                                           const LatencyOptions& options) {
  std::vector<std::vector<double>> times_ms(engines.size());
  for (std::size_t i = 0; i < engines.size(); ++i) {
    for (std::int64_t run = 0; run < options.warmup; ++run) run_ms(*engines[i], inputs[i]);
  }
  double slowest_s = 0, fastest_s = 0;  // counted time of the engines that took most and least of it
  for (std::int64_t round = 0; slowest_s < options.max_seconds; ++round) {
    if (round >= options.iterations && fastest_s >= options.min_seconds) break;
    for (std::size_t i = 0; i < engines.size(); ++i) times_ms[i].push_back(run_ms(*engines[i], inputs[i]));
    slowest_s = 0;
    fastest_s = 1e300;
    for (const auto& times : times_ms) {
      const double sum_s = std::accumulate(times.begin(), times.end(), 0.0) / 1000;
      slowest_s = std::max(slowest_s, sum_s);
      fastest_s = std::min(fastest_s, sum_s);
    }
    if (options.progress) options.progress(round + 1, options.iterations);
  }
  std::vector<LatencyResult> results;
  for (std::size_t i = 0; i < engines.size(); ++i) results.push_back(summarise(*engines[i], times_ms[i], inputs[i]));
  return results;
}

std::int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
  }
  return 0;
}

}  // namespace dsc
