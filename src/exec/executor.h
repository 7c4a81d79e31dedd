// Runs a graph through LibTorch's dispatcher, for evaluation, calibration and training.
//
// Goals: exactly PyTorch's results (same kernels, in-place and alias semantics), at least its eager speed, tensors freed
// at their last use. The graph runs as it stands, except that training in bf16 has faster kernels (exec/kernels/training_kernels.h,
// exec/chains.h) whose results are the same up to rounding.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "exec/engine.h"
#include "exec/options.h"

namespace dsc {

class Executor : public Engine {
 public:
  // Takes the weights by reference where device and memory format allow: in-place updates (batch-norm statistics,
  // optimiser steps) then change the model's tensors too. Otherwise `store_weights` copies them back.
  // The model's graph must stay as it is, and alive, as long as the executor.
  // errors: unsupported, naming every node whose operator or arguments the dispatcher does not know.
  Executor(const Model& model, ExecutorOptions options);
  Executor(const Graph& graph, const Weights& weights, ExecutorOptions options);
  ~Executor() override;

  // returns: tensors on the executor's device. errors: data, for inputs that do not fit the graph, by name, and for what
  // an operator rejects, with node and source line.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override;
  std::string name() const override;

  // As run, and calls `tap` with the tensor of each value in `values` when it is made (graph inputs included).
  using Tap = std::function<void(const Value& value, const at::Tensor& tensor)>;
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, const std::vector<const Value*>& values, const Tap& tap);
  // As run, and `replace` may return another tensor for a value just made (undefined: keep it). For ablation studies.
  using Replace = std::function<at::Tensor(const Value& value, const at::Tensor& tensor)>;
  std::vector<at::Tensor> run_replacing(const std::vector<at::Tensor>& inputs, const std::vector<const Value*>& values,
                                        const Replace& replace);

  // Called before and after each step of every run, with the step's node, or one of those that run as one: for profiles.
  using StepHook = std::function<void(const Node& node, bool done)>;
  void set_step_hook(StepHook hook);

  // The tensor that the executor uses for a weight; with `training`, floating-point parameters are leaves that
  // require gradients.
  at::Tensor weight(const std::string& name) const;
  void set_weight(const std::string& name, at::Tensor tensor);
  // The names to optimise; of parameters that share one tensor (tied weights) only the first.
  std::vector<std::string> parameter_names() const;
  // Copies the weights back into `model` (contiguous, on the CPU, detached).
  void store_weights(Model& model) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// Number of threads of LibTorch's kernels (intra-op); 0: as many as cores.
void set_threads(int threads);

// Runs the graph once on the CPU with the given inputs and sets every tensor value's dtype and sizes from it, keeping
// symbolic dimensions symbolic. For use after a rewrite; there is no shape inference without tensors.
void refresh_types(Model& model, const std::vector<at::Tensor>& inputs);

// Inputs of the example's shapes: `batch` replaces every symbolic dimension 0, `open_size` every other symbolic one, such
// as a sequence's length or a picture's sides (0: keep the hint). Integer inputs are filled with small valid ids, boolean
// and mask-like ones with ones; others with seeded normal noise.
std::vector<at::Tensor> example_inputs(const Model& model, std::int64_t batch, std::uint64_t seed, std::int64_t open_size = 0);

}  // namespace dsc
