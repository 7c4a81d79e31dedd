// dscompress bench MODEL...: latency of models on engines, timed in turn.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <list>
#include <nlohmann/json.hpp>

#include "cli/session.h"
#include "core/log.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

struct BenchOptions {
  std::vector<std::string> models;
  std::vector<std::string> engines = {"openvino"}, precisions = {"f32"};
  std::vector<std::int64_t> batches = {1};
  std::string target = "CPU", performance = "latency";
  std::int64_t warmup = 5, iterations = 50;
  double min_seconds = 1, max_seconds = 20;
  bool layers = false;
};

std::vector<Candidate> make_candidates(const std::list<Model>& models, const BenchOptions& options, const Session& session) {
  std::vector<Candidate> candidates;
  std::size_t i = 0;
  for (const auto& model : models) {
    const auto label = std::filesystem::path(options.models[i++]).filename().string();
    for (const auto& engine : options.engines) {
      for (const auto& precision : options.precisions) {
        const std::string device = engine == "openvino" ? options.target : session.device.empty() ? "cpu" : session.device;
        candidates.push_back({label, &model, {engine, device, precision, options.performance}});
      }
    }
  }
  return candidates;
}

std::string fixed(double value, int decimals) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

void print_latencies(const std::vector<LatencyRecord>& records) {
  std::vector<std::vector<std::string>> rows = {{"model", "engine", "batch", "p50 ms", "p90 ms", "p99 ms", "min ms", "spread", "per s", "runs"}};
  for (const auto& r : records) {
    rows.push_back({r.model, r.engine, std::to_string(r.batch), fixed(r.p50_ms, 3), fixed(r.p90_ms, 3), fixed(r.p99_ms, 3), fixed(r.min_ms, 3),
                    fixed(100 * r.spread, 0) + " %", fixed(r.throughput_per_s, 1), std::to_string(r.runs)});
  }
  std::cout << format_table(rows);
}

void print_layers(const std::vector<Candidate>& candidates, int threads) {
  for (const auto& candidate : candidates) {
    const auto engine = make_engine(*candidate.model, candidate.choice, threads);
    const auto layers = engine->layers();
    if (layers.empty()) continue;
    std::vector<std::vector<std::string>> rows = {{"layer", "type", "precision", "kernel", "device"}};
    for (const auto& layer : layers) rows.push_back({layer.name, layer.type, layer.precision, layer.primitive, layer.device});
    std::cout << '\n' << candidate.label << ", " << engine->name() << '\n' << format_table(rows);
  }
}

nlohmann::ordered_json to_json(const std::vector<LatencyRecord>& records) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& r : records) {
    list.push_back({{"model", r.model}, {"engine", r.engine}, {"batch", r.batch}, {"runs", r.runs}, {"p50_ms", r.p50_ms}, {"p90_ms", r.p90_ms},
                    {"p99_ms", r.p99_ms}, {"min_ms", r.min_ms}, {"spread", r.spread}, {"throughput_per_s", r.throughput_per_s}});
  }
  return {{"latency", list}, {"peak_memory_bytes", peak_memory_bytes()}};
}

int bench(const Session& session, const BenchOptions& options) {
  std::list<Model> models;
  for (const auto& path : options.models) models.push_back(open_model(path));
  const auto candidates = make_candidates(models, options, session);
  Progress progress("bench");
  LatencyOptions latency{.warmup = options.warmup, .iterations = options.iterations, .min_seconds = options.min_seconds, .max_seconds = options.max_seconds};
  latency.progress = [&](std::int64_t done, std::int64_t total) { progress.update("rounds", done, total); };
  const auto threads = static_cast<int>(session.threads);
  const auto records = measure_candidates(candidates, options.batches, threads, latency);
  if (session.json) {
    std::cout << to_json(records).dump(2) << '\n';
    return 0;
  }
  print_latencies(records);
  if (options.layers) print_layers(candidates, threads);
  return 0;
}

}  // namespace

void add_bench_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<BenchOptions>();
  auto* command = app.add_subcommand("bench", "Measure latency: models, engines and batch sizes timed in turn");
  command->add_option("MODEL", options->models, "Model files (.pt2)")->required()->type_name("");
  command->add_option("--engine", options->engines, "openvino, libtorch, or both: openvino,libtorch")->delimiter(',')->capture_default_str();
  command->add_option("--precision", options->precisions, "f32, bf16, f16: of what is not quantised")->delimiter(',')->capture_default_str();
  command->add_option("--batch", options->batches, "Examples per run")->delimiter(',')->check(CLI::Range(1, 1 << 20))->capture_default_str();
  command->add_option("--target", options->target, "OpenVINO's device: CPU, GPU, NPU, AUTO, HETERO:...")->capture_default_str();
  command->add_option("--performance", options->performance, "OpenVINO's mode: latency, throughput")->capture_default_str();
  command->add_option("--warmup", options->warmup, "Runs before any counts")->capture_default_str();
  command->add_option("--iterations", options->iterations, "Counted runs at least")->check(CLI::Range(1, 1000000))->capture_default_str();
  command->add_option("--min-seconds", options->min_seconds, "Time for each engine at least")->capture_default_str();
  command->add_option("--max-seconds", options->max_seconds, "Time for each engine at most")->capture_default_str();
  command->add_flag("--layers", options->layers, "List the layers as executed: precision, kernel, device");
  command->add_flag("--json", session.json, "Print JSON");
  command->footer("Examples:\n  dscompress bench base.pt2 small.pt2 --engine openvino,libtorch --batch 1,64\n"
                  "  dscompress bench small.pt2 --layers --json");
  command->callback([&session, options] { session.run = [&session, options] { return bench(session, *options); }; });
}

}  // namespace dsc
