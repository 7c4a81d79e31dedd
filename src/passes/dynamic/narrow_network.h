// A narrower network on the weights of the whole one, while that trains.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/executor.h"

namespace dsc::dynamic {

// Adds each batch norm's scale and shift at that width as parameters of the model, which no operator reads.
void add_private_norms(Model& model, double share);
// The name of such a parameter. weight: of the whole's.
std::string private_norm(double share, const std::string& weight);

class NarrowNetwork {
 public:
  // options: as the whole one runs.
  NarrowNetwork(const Model& model, double share, const ExecutorOptions& options);

  // Gradients flow into the weights of `whole`, a model with the private norms.
  std::vector<at::Tensor> run(const Executor& whole, const std::vector<at::Tensor>& inputs);

 private:
  // Where a parameter's elements are in the whole's.
  struct Part {
    std::string name;
    at::Tensor places;  // in the flattened weight; undefined: it is the whole's
    std::vector<std::int64_t> sizes;
  };

  Model model_;
  std::unordered_map<const Value*, Part> parts_;
  std::vector<const Value*> values_;  // that have parts
  std::unique_ptr<Executor> executor_;
};

}  // namespace dsc::dynamic
