// Attacks on a model whose graph gives the gradients: what it sees in the place of a batch.
//
// Layers behave as in evaluation (running statistics, no dropout); gradients pass quantisers straight through, inside their range.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attack/attack.h"
#include "data/dataset.h"
#include "dscompress/error.h"
#include "dscompress/model.h"
#include "exec/executor.h"

namespace dsc {

// Why this data cannot be attacked: it holds no pictures, a model takes them as integers, there are no class labels.
std::optional<Problem> problem_with_attack(const std::string& attack, const DatasetInfo& info);

class Adversary {
 public:
  // The graph must outlive the adversary. precondition: no problem_with_attack. errors: unsupported.
  Adversary(const Graph& graph, const Weights& weights, const DatasetInfo& info, Attack attack, const std::string& device);

  // What the model sees in the place of the batch's inputs. seed: of random starts, which depend on it and the example alone.
  // errors: unsupported, when no gradient reaches the inputs; data.
  std::vector<at::Tensor> inputs(const Batch& batch, std::uint64_t seed);
  // From now on the weights that another executor of the same graph uses, as they change.
  void follow(const Executor& executor);

 private:
  Judgement judge(const at::Tensor& pictures, const Batch& batch);

  Executor executor_;
  std::vector<std::string> weights_;
  Attack attack_;
  at::Tensor mean_, std_;  // [C, 1, 1]
};

}  // namespace dsc
