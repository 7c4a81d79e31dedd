#include "pipeline/measure.h"

#include "core/names.h"
#include "data/model_inputs.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

LatencyRecord to_record(const LatencyResult& result, const std::string& model, std::int64_t batch) {
  LatencyRecord record;
  record.model = model;
  record.engine = result.engine;
  record.batch = batch;
  record.runs = result.runs;
  record.p50_ms = result.p50_ms;
  record.p90_ms = result.p90_ms;
  record.p99_ms = result.p99_ms;
  record.min_ms = result.min_ms;
  record.spread = result.spread;
  record.throughput_per_s = result.throughput_per_s;
  return record;
}

}  // namespace

EngineChoice deployed_choice(const OpenVinoDeploy& config) { return {"openvino", config.device, config.precision, config.performance, config.require_device}; }

OpenVinoOptions openvino_options(const EngineChoice& choice, int threads) {
  return {.device = choice.device,
          .require_device = choice.require_device,
          .precision = choice.precision,
          .threads = threads,
          .performance = choice.performance};
}

bool is_deployed_file(const std::string& path) { return is_openvino_file(path) || is_exit_chain(path); }

Model read_deployed_inputs(const std::string& path) { return is_exit_chain(path) ? read_exit_chain_inputs(path) : read_openvino_inputs(path); }

std::string engine_of_file(const std::string& path) { return is_exit_chain(path) && !has_openvino_stages(path) ? "libtorch" : "openvino"; }

std::unique_ptr<ExitChain> open_exit_chain(const std::string& path, const EngineChoice& choice, int threads) {
  if (choice.engine == "openvino" && !has_openvino_stages(path)) {
    throw Error(ErrorCode::usage, "this chain was written without stages for OpenVINO", {.file = path},
                "--engine libtorch, or run the recipe with deploy: {openvino: {}}");
  }
  return read_exit_chain(path, [&](const std::string& stem) -> StageEngine {
    if (choice.engine == "openvino") return {nullptr, read_openvino_ir(stem + ".xml", openvino_options(choice, threads))};
    auto model = std::make_unique<Model>(open_model(stem + ".pt2"));
    auto engine = make_engine(*model, choice, threads);
    return {std::move(model), std::move(engine)};
  });
}

std::unique_ptr<Engine> make_engine(const Candidate& candidate, int threads) {
  if (candidate.file.empty()) return make_engine(*candidate.model, candidate.choice, threads);
  if (is_exit_chain(candidate.file)) {
    auto chain = open_exit_chain(candidate.file, candidate.choice, threads);
    if (candidate.exit) chain->leave_at(*candidate.exit);
    return chain;
  }
  if (candidate.choice.engine != "openvino") {
    throw Error(ErrorCode::usage, "only OpenVINO runs this file, not `" + candidate.choice.engine + "`", {.file = candidate.file}, "--engine openvino");
  }
  return read_openvino_ir(candidate.file, openvino_options(candidate.choice, threads));
}

std::unique_ptr<Engine> make_engine(const Model& model, const EngineChoice& choice, int threads) {
  if (choice.engine == "openvino") return make_openvino_engine(model, openvino_options(choice, threads));
  if (choice.engine != "libtorch") {
    throw Error(ErrorCode::usage, "there is no engine `" + choice.engine + "`", {}, suggest(choice.engine, {"openvino", "libtorch"}));
  }
  const auto type = find_scalar_type(choice.precision);
  if (!type || !is_floating(*type)) {
    throw Error(ErrorCode::usage, "LibTorch cannot run in precision `" + choice.precision + "`", {}, "use f32, bf16 or f16");
  }
  ExecutorOptions options;
  if (*type != ScalarType::f32) options.autocast = *type;
  options.device = choice.device == "CPU" ? "cpu" : choice.device;
  return std::make_unique<Executor>(model, options);
}

void check_latency_batches(const Model& model, const std::vector<std::int64_t>& batches) {
  const std::int64_t fixed = fixed_batch_of(model_inputs(model.graph));
  if (fixed == 0) return;
  for (const std::int64_t batch : batches) {
    if (batch == fixed) continue;
    throw Error(ErrorCode::usage, "the model was exported for " + std::to_string(fixed) + " examples at a time: its latency with batches of " + std::to_string(batch) + " cannot be measured",
                {}, "ask for batches of " + std::to_string(fixed) + ", or export the model with a dynamic batch");
  }
}

std::vector<LatencyRecord> measure_candidates(const std::vector<Candidate>& candidates, const InputSizes& sizes, int threads,
                                              const LatencyOptions& options) {
  constexpr std::uint64_t kInputSeed = 1;  // the same inputs for every model and run
  for (const auto& candidate : candidates) check_latency_batches(*candidate.model, sizes.batches);
  std::vector<std::unique_ptr<Engine>> engines;
  std::vector<Engine*> pointers;
  for (const auto& candidate : candidates) {
    engines.push_back(make_engine(candidate, threads));
    pointers.push_back(engines.back().get());
  }
  std::vector<LatencyRecord> records;
  for (const auto batch : sizes.batches) {
    std::vector<std::vector<at::Tensor>> inputs;
    for (const auto& candidate : candidates) inputs.push_back(example_inputs(*candidate.model, batch, kInputSeed, sizes.open_size));
    const auto results = measure_latency(pointers, inputs, options);
    for (std::size_t i = 0; i < results.size(); ++i) records.push_back(to_record(results[i], candidates[i].label, batch));
  }
  return records;
}

EngineChoice latency_engine(const Recipe& recipe) {
  if (recipe.evaluate.latency->engine == "libtorch") return {.engine = "libtorch", .device = recipe.device};
  return recipe.deploy.openvino ? deployed_choice(*recipe.deploy.openvino) : EngineChoice{};
}

LatencyOptions latency_options(const LatencyConfig& config) {
  return {.warmup = config.warmup, .iterations = config.iterations, .min_seconds = config.min_seconds, .max_seconds = config.max_seconds};
}

int latency_threads(const Recipe& recipe) {
  const auto threads = recipe.evaluate.latency->threads;
  return static_cast<int>(threads > 0 ? threads : recipe.threads);
}

}  // namespace dsc
