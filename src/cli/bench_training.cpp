// dscompress bench --train MODEL...: how long training steps take, and with --layers what in them does.
#include "eval/training_bench.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/bench.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

using Rows = std::vector<std::vector<std::string>>;

TrainingBenchResult time_training(Model& model, const BenchOptions& bench, std::int64_t batch, const std::string& device) {
  Progress progress("bench");
  TrainingBenchOptions training{.batch = batch,
                                .open_size = bench.open_size,
                                .bf16 = bench.train.bf16,
                                .channels_last = bench.train.channels_last,
                                .device = device,
                                .steps = bench.train.steps,
                                .layers = bench.layers};
  training.warmup = bench.warmup.value_or(training.warmup);
  training.min_seconds = bench.min_seconds.value_or(training.min_seconds);
  training.max_seconds = bench.max_seconds.value_or(training.max_seconds);
  training.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("training steps", std::min(done, total), total);
  };
  return bench_training(model, training);
}

std::vector<std::string> row_of(const LayerTime& layer, const std::string& name, double step_ms) {
  return {name, layer.operation, fixed(layer.forward_ms, 2), fixed(layer.backward_ms, 2),
          fixed(100 * (layer.forward_ms + layer.backward_ms) / step_ms, 1) + " %"};
}

// One entry for each operator, the longest first.
std::vector<std::pair<LayerTime, std::int64_t>> by_operator(const std::vector<LayerTime>& layers) {
  std::map<std::string, std::pair<LayerTime, std::int64_t>> sums;
  for (const LayerTime& layer : layers) {
    auto& [sum, count] = sums[layer.operation];
    sum.operation = layer.operation;
    sum.forward_ms += layer.forward_ms;
    sum.backward_ms += layer.backward_ms;
    ++count;
  }
  std::vector<std::pair<LayerTime, std::int64_t>> out;
  for (const auto& [name, sum] : sums) out.push_back(sum);
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.first.forward_ms + a.first.backward_ms > b.first.forward_ms + b.first.backward_ms; });
  return out;
}

void print_layers(const std::string& label, const TrainingBenchResult& result) {
  double booked_ms = 0;
  for (const LayerTime& layer : result.layers) booked_ms += layer.forward_ms + layer.backward_ms;
  Rows operators = {{"nodes", "operator", "forward ms", "backward ms", "of a step"}};
  for (const auto& [sum, count] : by_operator(result.layers))
    operators.push_back(row_of(sum, sum.operation.front() == '(' ? "" : std::to_string(count), result.profiled_ms));
  operators.push_back({"", "(between)", fixed(std::max(0.0, result.profiled_ms - booked_ms), 2), "",
                       fixed(100 * std::max(0.0, 1 - booked_ms / result.profiled_ms), 1) + " %"});
  std::cout << '\n'
            << label << ", batch " << result.batch << ", profiled: " << fixed(result.profiled_ms, 2) << " ms a step\n"
            << format_table(operators);
  Rows layers = {{"layer", "operator", "forward ms", "backward ms", "of a step"}};
  for (const LayerTime& layer : result.layers) {
    if (layer.operation.front() != '(') layers.push_back(row_of(layer, layer.module, result.profiled_ms));
  }
  std::cout << '\n' << format_table(layers);
}

nlohmann::ordered_json to_json(const std::string& label, const BenchOptions& options, const TrainingBenchResult& r) {
  nlohmann::ordered_json json = {
      {"model", label},     {"batch", r.batch},   {"bf16", options.train.bf16}, {"channels_last", options.train.channels_last}, {"steps", r.steps},
      {"p50_ms", r.p50_ms}, {"min_ms", r.min_ms}, {"spread", r.spread},         {"examples_per_s", r.examples_per_second}};
  if (!options.layers) return json;
  json["profiled_ms"] = r.profiled_ms;
  auto& layers = json["layers"] = nlohmann::ordered_json::array();
  for (const LayerTime& layer : r.layers) {
    layers.push_back({{"layer", layer.module}, {"operator", layer.operation}, {"forward_ms", layer.forward_ms}, {"backward_ms", layer.backward_ms}});
  }
  return json;
}

}  // namespace

Model open_timed(const std::string& path, const BenchOptions& options) {
  return open_model(path, {}, std::filesystem::path(path).extension() == ".pt2" ? std::vector<std::string>{} : options.inputs);
}

int bench_training_steps(const Session& session, const BenchOptions& options) {
  const std::string device = session.device.empty() ? "cpu" : session.device;
  auto list = nlohmann::ordered_json::array();
  Rows rows = {{"model", "batch", "p50 ms a step", "min ms", "spread", "examples per s", "steps"}};
  std::vector<std::pair<std::string, TrainingBenchResult>> profiles;
  for (const auto& path : options.models) {
    const auto label = std::filesystem::path(path).filename().string();
    if (is_deployed_file(path))
      throw Error(ErrorCode::usage, "what is deployed cannot be trained", {.file = path}, "time training steps of the .pt2");
    for (const auto batch : options.batches) {
      Model model = open_timed(path, options);
      const auto r = time_training(model, options, batch, device);
      rows.push_back({label, std::to_string(r.batch), fixed(r.p50_ms, 2), fixed(r.min_ms, 2), fixed(100 * r.spread, 0) + " %",
                      fixed(r.examples_per_second, 1), std::to_string(r.steps)});
      list.push_back(to_json(label, options, r));
      if (options.layers) profiles.emplace_back(label, r);
    }
  }
  if (session.json) {
    std::cout << nlohmann::ordered_json{{"training", list}, {"peak_memory_bytes", peak_memory_bytes()}}.dump(2) << '\n';
    return 0;
  }
  std::cout << format_table(rows);
  for (const auto& [label, result] : profiles) print_layers(label, result);
  return 0;
}

}  // namespace dsc
