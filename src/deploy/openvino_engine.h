// Runs and measures a model in its deployed form, with OpenVINO's kernels, and writes it as OpenVINO IR.
//
// Goals: the graph as it stands is converted (no tracing, no Python), INT8 kernels for fake-quantised layers, latency of
// OpenVINO itself. Non-goals: training, and operators that OpenVINO's PyTorch frontend cannot express: those are refused
// by name. Built without OpenVINO, every function but `openvino_available` throws `unsupported`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "exec/engine.h"

namespace dsc {

struct OpenVinoOptions {
  std::string device = "CPU";           // CPU, GPU, NPU, AUTO, HETERO:GPU,CPU, ...
  bool require_device = false;          // every device named must be there and do what it was named for (deploy/device_names.h)
  std::string precision = "f32";        // of what is not quantised: f32, bf16, f16
  int threads = 0;                      // 0: OpenVINO's choice
  std::string performance = "latency";  // latency, throughput
  bool time_layers = false;             // as make_timing_engine
  // Sizes of each user input, -1 for any; empty: as the graph declares. Fixed sizes can be faster than symbolic ones.
  std::vector<std::vector<std::int64_t>> shapes = {};
};

bool openvino_available();

// For `doctor`: what conversion avoids (openvino_pointwise.cpp).
inline constexpr const char* kInt8PointwiseWorkaround =
    "INT8 1x1 convolutions with a stride read a slice: an OpenVINO kernel without AVX-512 mixes the data of its threads";

std::string openvino_version();               // "2026.4.1-22190-..."
std::vector<std::string> openvino_devices();  // "CPU", "GPU.0", ...

// The model's weights are shared, not copied, where dtype and memory allow: they must not change while the engine lives.
// errors: unsupported (every operator that cannot be converted, with node and source line; a device that is not there, or is
// required and not used), usage (option values).
std::unique_ptr<Engine> make_openvino_engine(const Model& model, const OpenVinoOptions& options = {});

// The same, measuring as it runs, which slows small layers.
class TimingEngine : public Engine {
 public:
  virtual std::vector<double> layer_times_ms() const = 0;  // in the last run, of what `layers` lists; 0: it did not run
};
std::unique_ptr<TimingEngine> make_timing_engine(const Model& model, OpenVinoOptions options);

// Whether a file is one that OpenVINO reads itself: IR (.xml with its .bin beside it) or ONNX.
bool is_openvino_file(const std::string& path);
// errors: io; model_file, what OpenVINO says of a damaged one.
std::unique_ptr<Engine> read_openvino_ir(const std::string& path, const OpenVinoOptions& options = {});
// The inputs of such a file, named and typed, as a graph without nodes: for making example inputs. Open sizes have no hint;
// the first of all inputs is one symbol, the batch. errors: as above; unsupported, an input type that graphs lack.
Model read_openvino_inputs(const std::string& path);
// Inputs and outputs of such a file.
struct OpenVinoPort {
  std::string name;
  ScalarType type = ScalarType::f32;
  std::vector<std::int64_t> sizes;  // -1: any
};
struct OpenVinoPorts {
  std::vector<OpenVinoPort> inputs, outputs;
};
OpenVinoPorts read_openvino_ports(const std::string& path);  // errors: as above; unsupported, any number of dimensions

// Writes `xml_path` and the .bin beside it, weights in `precision` (f32 or f16), fake-quantised ones as integers of 4 or 8 bits.
// Before it takes its name the pair is read back, compared with the converted model node by node, and its outputs with
// LibTorch's on example inputs (deploy/agreement.h). returns: what the check found. errors: numeric, when something differs.
std::string write_openvino_ir(const Model& model, const std::string& xml_path, const std::string& precision = "f32");

// The same for a causal language model as one that keeps keys and values from call to call (deploy/cached_decoder.h): inputs
// input_ids, attention_mask, position_ids, beam_idx, output logits, caches as state, as openvino_genai's LLMPipeline takes it. The
// check feeds it token by token and compares with LibTorch on whole sequences.
std::string write_stateful_ir(const Model& model, const std::string& xml_path);

// Which of the layers that INT8 can speed up do run in INT8.
struct Int8Report {
  struct Count {
    std::int64_t total = 0;
    std::int64_t int8 = 0;
  };
  Count convolutions, linears, matmuls;
  std::vector<std::string> others;  // layers of these kinds in another precision: "conv1 (f32, brgconv_avx512_f32)"
  std::int64_t total() const { return convolutions.total + linears.total + matmuls.total; }
  std::int64_t int8() const { return convolutions.int8 + linears.int8 + matmuls.int8; }
};
Int8Report find_int8_layers(const std::vector<LayerReport>& layers);

}  // namespace dsc
