// dscompress bench MODEL...: latency of models on engines, timed in turn.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <list>
#include <nlohmann/json.hpp>

#include "cli/bench.h"
#include "cli/session.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/printed.h"
#include "deploy/generation_folder.h"
#include "deploy/language_model.h"
#include "pipeline/measure.h"

namespace dsc {
namespace {

constexpr std::int64_t kWarmup = 5;
constexpr double kMinSeconds = 1, kMaxSeconds = 20;

std::vector<Candidate> make_candidates(const std::list<Model>& models, const BenchOptions& options, const Session& session) {
  std::vector<Candidate> candidates;
  std::size_t i = 0;
  for (const auto& model : models) {
    const std::string& path = options.models[i++];
    const auto label = std::filesystem::path(path).filename().string();
    const std::string file = is_deployed_file(path) ? path : "";
    for (const auto& engine : options.engines) {
      for (const auto& precision : options.precisions) {
        const std::string device = engine == "openvino" ? options.target : session.device.empty() ? "cpu" : session.device;
        const EngineChoice choice{engine, device, precision, options.performance, options.require_device};
        if (!is_exit_chain(path)) {
          candidates.push_back({label, &model, choice, file});
          continue;
        }
        // What an example costs depends on where it leaves, and made-up ones do not say where that is.
        const std::size_t exits = count_exits(path);
        for (std::size_t exit = 0; exit < exits; ++exit)
          candidates.push_back({label + (exit + 1 < exits ? ", exit " + std::to_string(exit + 1) : ", end"), &model, choice, file, exit});
      }
    }
  }
  return candidates;
}

Model open_one(const std::string& path, const BenchOptions& options) {
  if (is_deployed_file(path)) return read_deployed_inputs(path);
  return open_timed(path, options);
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
    const auto engine = make_engine(candidate, threads);
    const auto layers = engine->layers();
    if (layers.empty()) continue;
    std::vector<std::vector<std::string>> rows = {{"layer", "type", "precision", "kernel", "device"}};
    for (const auto& layer : layers) rows.push_back({layer.name, layer.type, layer.precision, layer.primitive, layer.device});
    std::cout << '\n' << candidate.label << ", " << engine->name() << '\n' << format_table(rows);
  }
}

nlohmann::ordered_json layers_json(const std::vector<Candidate>& candidates, int threads) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& candidate : candidates) {
    const auto engine = make_engine(candidate, threads);
    auto layers = nlohmann::ordered_json::array();
    for (const auto& layer : engine->layers()) {
      layers.push_back({{"layer", layer.name}, {"type", layer.type}, {"precision", layer.precision}, {"kernel", layer.primitive}, {"device", layer.device}});
    }
    list.push_back({{"model", candidate.label}, {"engine", engine->name()}, {"layers", std::move(layers)}});
  }
  return list;
}

nlohmann::ordered_json to_json(const std::vector<LatencyRecord>& records) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& r : records) {
    list.push_back({{"model", r.model}, {"engine", r.engine}, {"batch", r.batch}, {"runs", r.runs}, {"p50_ms", r.p50_ms}, {"p90_ms", r.p90_ms},
                    {"p99_ms", r.p99_ms}, {"min_ms", r.min_ms}, {"spread", r.spread}, {"throughput_per_s", r.throughput_per_s}});
  }
  return {{"latency", list}, {"peak_memory_bytes", peak_memory_bytes()}};
}

// Folders for generation, or their .xml files, in turn.
int bench_generation(const Session& session, const BenchOptions& options) {
  constexpr std::int64_t kPrompt = 32;
  std::list<LanguageModel> opened;
  std::vector<LanguageModel*> all;
  for (const auto& path : options.models) all.push_back(&opened.emplace_back(generation_file(path), OpenVinoOptions{.device = options.target, .threads = static_cast<int>(session.threads)}));
  GenerationTiming timing{.prompt = options.open_size > 0 ? options.open_size : kPrompt, .tokens = options.generate};
  Progress progress("bench");
  timing.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("texts", done, total);
  };
  const auto speeds = time_generation(all, timing);
  auto list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows = {{"model", "engine", "prompt", "tokens", "first token ms", "tokens/s", "spread", "rounds"}};
  for (std::size_t i = 0; i < speeds.size(); ++i) {
    const auto& s = speeds[i];
    const auto path = std::filesystem::path(options.models[i]).lexically_normal();
    const std::string label = path.has_filename() ? path.filename().string() : path.parent_path().filename().string();
    rows.push_back({label, s.engine, std::to_string(s.prompt), std::to_string(s.tokens), printed("%.1f", s.first_token_ms), printed("%.1f", s.tokens_per_second),
                    printed("%.0f %%", 100 * s.spread), std::to_string(s.rounds)});
    list.push_back({{"model", label}, {"engine", s.engine}, {"prompt", s.prompt}, {"tokens", s.tokens}, {"rounds", s.rounds}, {"first_token_ms", s.first_token_ms},
                    {"tokens_per_second", s.tokens_per_second}, {"spread", s.spread}});
  }
  if (session.json) std::cout << nlohmann::ordered_json{{"generation", list}, {"peak_memory_bytes", peak_memory_bytes()}}.dump(2) << '\n';
  else std::cout << format_table(rows);
  return 0;
}

int bench(const Session& session, const BenchOptions& options) {
  std::list<Model> models;
  for (const auto& path : options.models) models.push_back(open_one(path, options));
  const auto candidates = make_candidates(models, options, session);
  Progress progress("bench");
  LatencyOptions latency{.warmup = options.warmup.value_or(kWarmup),
                         .iterations = options.iterations,
                         .min_seconds = options.min_seconds.value_or(kMinSeconds),
                         .max_seconds = options.max_seconds.value_or(kMaxSeconds)};
  latency.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("rounds", done, total);
  };
  const auto threads = static_cast<int>(session.threads);
  const auto records = measure_candidates(candidates, {options.batches, options.open_size}, threads, latency);
  if (session.json) {
    auto json = to_json(records);
    if (options.layers) json["layers"] = layers_json(candidates, threads);
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  print_latencies(records);
  if (options.layers) print_layers(candidates, threads);
  return 0;
}

// returns: the flag that turns them on.
CLI::Option* add_training_options(CLI::App& command, BenchOptions::Train& training) {
  auto* train =
      command.add_flag("--train", training.enabled, "Time training steps in LibTorch (forward, loss, backward, SGD) on synthetic inputs instead");
  command.add_option("--steps", training.steps, "Of --train: counted steps at least")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->needs(train);
  command.add_flag("--bf16", training.bf16, "Of --train: bf16 autocast")->needs(train);
  command.add_flag("--channels-last", training.channels_last, "Of --train: NHWC memory")->needs(train);
  return train;
}

CLI::Option* add_generation_option(CLI::App& command, BenchOptions& options) {
  auto* generate = command
                       .add_option("--generate", options.generate,
                                   "Generate so many tokens with language models (folders written by export --stateful) instead: first-token "
                                   "latency behind prompts of --size tokens (32), then tokens/s")
                       ->check(CLI::Range(2, 1 << 20))
                       ->type_name("N");
  for (const char* name : {"--engine", "--precision", "--batch", "--performance", "--require-device", "--layers"})
    generate->excludes(command.get_option(name));
  return generate;
}

}  // namespace

std::string fixed(double value, int decimals) { return printed("%.*f", decimals, value); }

void add_bench_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<BenchOptions>();
  auto* command = app.add_subcommand("bench", "Measure latency: models, engines and batch sizes timed in turn; or training steps");
  command->add_option("MODEL", options->models, "Model files (.pt2, TorchScript .pt; OpenVINO's .xml, .onnx; chain.json of a run with early exits)")
      ->required()
      ->type_name("");
  add_input_option(*command, options->inputs);
  command->add_option("--engine", options->engines, "openvino, libtorch, or both: openvino,libtorch")->delimiter(',')->capture_default_str();
  command->add_option("--precision", options->precisions, "f32, bf16, f16: of what is not quantised")->delimiter(',')->capture_default_str();
  command->add_option("--batch", options->batches, "Examples per run")->delimiter(',')->check(CLI::Range(1, 1 << 20))->capture_default_str();
  command->add_option("--size", options->open_size, "Size of other open dimensions: sequence length, resolution; default: as exported")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
  command->add_option("--target", options->target, "OpenVINO's device: CPU, GPU, NPU, AUTO, HETERO:...")->capture_default_str();
  command->add_flag("--require-device", options->require_device, "Fail unless every layer runs on the devices that --target names, the first of AUTO's");
  command->add_option("--performance", options->performance, "OpenVINO's mode: latency, throughput")->capture_default_str();
  command->add_option("--warmup", options->warmup, "Runs before any counts (5; steps of --train: 2)");
  command->add_option("--iterations", options->iterations, "Counted runs at least")->check(CLI::Range(1, 1000000))->capture_default_str();
  command->add_option("--min-seconds", options->min_seconds, "Time for each engine at least (1; --train: 2)");
  command->add_option("--max-seconds", options->max_seconds, "Time for each engine at most (20; --train: 60)");
  command->add_flag("--layers", options->layers,
                    "List the layers as executed: precision, kernel, device; with --train what each takes, forward and backward");
  auto* train = add_training_options(*command, options->train);
  add_generation_option(*command, *options)->excludes(train);
  command->add_flag("--json", session.json, "Print JSON");
  command->footer(
      "Examples:\n  dscompress bench base.pt2 small.pt2 --engine openvino,libtorch --batch 1,64\n"
      "  dscompress bench small.pt2 --layers --json\n"
      "  dscompress bench base.pt2 out/model.xml other_tool.xml\n"
      "  dscompress bench small.pt2 --target AUTO:GPU,CPU --require-device\n"
      "  dscompress bench bert.pt2 --batch 8 --size 128\n"
      "  dscompress bench llama/ llama-int4/ --generate 128 --size 64\n"
      "  dscompress bench resnet56.pt2 --train --batch 128 --channels-last --layers");
  command->callback([&session, options] {
    session.run = [&session, options] {
      if (options->generate > 0) return bench_generation(session, *options);
      return options->train.enabled ? bench_training_steps(session, *options) : bench(session, *options);
    };
  });
}

}  // namespace dsc
