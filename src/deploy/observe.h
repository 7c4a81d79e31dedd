// One run of a model as a check of written files sees it: everything that it makes or changes, repeatable.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// The same type, sizes and values, in whatever memory layout; NaN equals NaN.
bool same_values(const at::Tensor& a, const at::Tensor& b);

// What to run a model on: the examples saved in its archive where there are any, else made-up ones.
std::vector<at::Tensor> inputs_for_check(const Model& model, std::int64_t batch);

struct Observed {
  std::vector<at::Tensor> outputs;                            // of all calls, one after the other
  std::vector<at::Tensor> inputs;                             // after the last call: a model may write into them
  std::vector<std::pair<std::string, at::Tensor>> state;      // what the graph writes into, after the last call
  int calls = 1;
  bool drew_random_numbers = false;
};
// Runs with LibTorch, which leaves `inputs` and weights as they are. A model that writes into its buffers is called three times,
// so that state shows.
Observed observe(const Graph& graph, const Weights& weights, const std::vector<at::Tensor>& inputs, std::uint64_t seed = 7);
Observed observe(const Model& model, const std::vector<at::Tensor>& inputs);

}  // namespace dsc
