// The calibration samples on their way through a network, one stretch of it at a time (ops/stretches.h).
//
// What needs the inputs of a block's layers several times runs that block alone, with its weights alone, and the results between
// blocks are kept: within a limit of memory, the rest in a file.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "exec/tensor_store.h"
#include "ops/stretches.h"
#include "parallel/ranks.h"
#include "passes/quantize/options.h"
#include "passes/quantize/ranges/samples.h"

namespace dsc::quantize {

class SampleWalk {
 public:
  // The model's weights may change while the walk goes on, and its layers get further arguments.
  SampleWalk(const Model& model, Stretches stretches, const CalibrationOptions& options, PassContext& context);

  // Each runs batches of its own.
  Ranks& ranks() const { return ranks_; }
  std::size_t size() const { return stretches_.all.size(); }
  std::size_t place_of(const Node& node) const { return stretches_.places.at(&node); }
  // Runs the samples through the stretch where they are; values are those of the model's graph, made or read in it.
  void run(const std::vector<const Value*>& values, const Executor::Tap& tap);
  // The same, and the samples go on to the next stretch.
  void advance(const std::vector<const Value*>& values, const Executor::Tap& tap);

 private:
  using Batch = std::unordered_map<const Value*, at::Tensor>;  // the network's inputs, and what stretches have made
  void run_stretch(const std::vector<const Value*>& values, const Executor::Tap& tap, bool keeps);
  // Calls `body` with what each batch has for the stretch; afterwards it goes on with what `body` leaves.
  void for_each_batch(bool keeps, const std::function<void(Batch& batch)>& body);
  Batch first_batch(const std::vector<at::Tensor>& inputs) const;
  void keep(Batch& batch, const std::vector<at::Tensor>& outputs);

  const Model& model_;
  Stretches stretches_;
  PassContext& context_;
  Ranks& ranks_;
  Samples samples_;
  TensorStore store_;
  std::vector<Batch> batches_;  // at a stretch behind the first
  std::unordered_map<const Value*, std::size_t> last_readers_;
  std::size_t at_ = 0;
};

}  // namespace dsc::quantize
