// Latencies of models on engines, all timed in turn in one run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deploy/exit_folder.h"
#include "deploy/openvino_engine.h"
#include "eval/latency.h"
#include "exec/engine.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {

struct EngineChoice {
  std::string engine = "openvino";   // openvino, libtorch
  std::string device = "CPU";        // OpenVINO's device string, or LibTorch's device
  std::string precision = "f32";     // f32, bf16, f16: of what is not quantised
  std::string performance = "latency";
  bool require_device = false;       // of openvino
};

EngineChoice deployed_choice(const OpenVinoDeploy& config);
OpenVinoOptions openvino_options(const EngineChoice& choice, int threads);

// errors: usage for an unknown engine; unsupported.
std::unique_ptr<Engine> make_engine(const Model& model, const EngineChoice& choice, int threads);

struct Candidate {
  std::string label;          // "base", "compressed", a file name
  const Model* model = nullptr;
  EngineChoice choice;
  std::string file = {};                 // one that is deployed (is_deployed_file); `model` has its inputs, no more
  std::optional<std::size_t> exit = {};  // of a chain with early exits: where every example leaves, whatever its scores
};

// Whether a file is run as it stands: IR or ONNX, or a chain with early exits. Then what its inputs are.
bool is_deployed_file(const std::string& path);
Model read_deployed_inputs(const std::string& path);
// The engine that a deployed file is for.
std::string engine_of_file(const std::string& path);
// errors: usage, for an engine that the chain was not written for.
std::unique_ptr<ExitChain> open_exit_chain(const std::string& path, const EngineChoice& choice, int threads);

std::unique_ptr<Engine> make_engine(const Candidate& candidate, int threads);

// What the timed inputs look like.
struct InputSizes {
  std::vector<std::int64_t> batches = {1};
  std::int64_t open_size = 0;  // of every other open dimension: sequence length, resolution; 0: as in the exported example
};

// A model that was exported for so many examples at a time runs with that batch alone. errors: usage.
void check_latency_batches(const Model& model, const std::vector<std::int64_t>& batches);

// One record per candidate and batch size. Inputs are seeded noise of the model's input shapes.
std::vector<LatencyRecord> measure_candidates(const std::vector<Candidate>& candidates, const InputSizes& sizes, int threads,
                                              const LatencyOptions& options);

// How the recipe wants models timed: engine and options of evaluate.latency, device and precision of deploy.openvino.
// precondition: recipe.evaluate.latency
EngineChoice latency_engine(const Recipe& recipe);
LatencyOptions latency_options(const LatencyConfig& config);
int latency_threads(const Recipe& recipe);

}  // namespace dsc
