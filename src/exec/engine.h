// What can run a model: LibTorch's dispatcher (executor.h) or OpenVINO (deploy/openvino_engine.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace dsc {

// One executed layer as the engine reports it; empty for LibTorch.
struct LayerReport {
  std::string name;
  std::string type;       // "Convolution"
  std::string precision;  // "u8", "i8", "bf16", "f32"
  std::string primitive;  // "brgconv_avx512_core_vnni_I8"
  std::string device;     // "CPU"
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Runs once. inputs: the graph's user inputs in order. returns: its user outputs (tensors only) in order.
  virtual std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) = 0;
  virtual std::string name() const = 0;  // "libtorch f32", "openvino CPU int8+f32": what runs it, where, in which precisions
  virtual std::vector<LayerReport> layers() const { return {}; }
};

}  // namespace dsc
