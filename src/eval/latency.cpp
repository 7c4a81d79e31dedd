#include "eval/latency.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>

#include "dscompress/error.h"
#include "eval/percentile.h"

namespace dsc {
namespace {

using Clock = std::chrono::steady_clock;

LatencyResult summarize(const Engine& engine, const std::vector<at::Tensor>& inputs, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  LatencyResult result;
  result.engine = engine.name();
  result.runs = static_cast<std::int64_t>(times.size());
  result.p50_ms = percentile(times, 0.5);
  result.p90_ms = percentile(times, 0.9);
  result.p99_ms = percentile(times, 0.99);
  result.min_ms = times.front();
  result.mean_ms = std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  result.spread = result.p50_ms > 0 ? (percentile(times, 0.75) - percentile(times, 0.25)) / result.p50_ms : 0;
  const std::int64_t examples = inputs.empty() || inputs.front().dim() == 0 ? 1 : inputs.front().size(0);
  result.throughput_per_s = result.p50_ms > 0 ? 1000.0 * static_cast<double>(examples) / result.p50_ms : 0;
  return result;
}

double run_once(Engine& engine, const std::vector<at::Tensor>& inputs) {
  const auto start = Clock::now();
  const std::vector<at::Tensor> outputs = engine.run(inputs);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Enough runs and enough time for every engine, or too much time for one of them.
bool is_enough(const std::vector<double>& spent_ms, std::int64_t rounds, const LatencyOptions& options) {
  const double least = *std::min_element(spent_ms.begin(), spent_ms.end());
  const double most = *std::max_element(spent_ms.begin(), spent_ms.end());
  if (rounds > 0 && most >= 1000 * options.max_seconds) return true;
  return rounds >= std::max<std::int64_t>(1, options.iterations) && least >= 1000 * options.min_seconds;
}

}  // namespace

std::vector<LatencyResult> measure_latency(const std::vector<Engine*>& engines,
                                           const std::vector<std::vector<at::Tensor>>& inputs, const LatencyOptions& options) {
  if (engines.size() != inputs.size()) throw Error(ErrorCode::internal, "as many lists of inputs as engines are needed");
  if (engines.empty()) return {};
  std::vector<double> spent_ms(engines.size(), 0);
  for (std::int64_t i = 0; i < options.warmup; ++i) {
    for (std::size_t e = 0; e < engines.size(); ++e) spent_ms[e] += run_once(*engines[e], inputs[e]);
    if (*std::max_element(spent_ms.begin(), spent_ms.end()) >= 1000 * options.max_seconds) break;
  }
  std::fill(spent_ms.begin(), spent_ms.end(), 0);
  std::vector<std::vector<double>> times(engines.size());
  for (std::int64_t round = 0; !is_enough(spent_ms, round, options); ++round) {
    for (std::size_t e = 0; e < engines.size(); ++e) {
      times[e].push_back(run_once(*engines[e], inputs[e]));
      spent_ms[e] += times[e].back();
    }
    if (options.progress) options.progress(std::min(round + 1, options.iterations), options.iterations);
  }
  std::vector<LatencyResult> results;
  for (std::size_t e = 0; e < engines.size(); ++e) results.push_back(summarize(*engines[e], inputs[e], std::move(times[e])));
  return results;
}

std::int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
  }
  throw Error(ErrorCode::io, "/proc/self/status has no VmHWM line; peak memory is measured on Linux only");
}

}  // namespace dsc
