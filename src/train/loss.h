// Objectives: what a training minimises, from a model's outputs and a batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/schedule.h"

namespace dsc {

// Computes the loss of one batch from the model's outputs (a scalar tensor with gradient).
using Objective = std::function<at::Tensor(const std::vector<at::Tensor>& outputs, const Batch& batch)>;

// Cross-entropy for i64 targets (with label smoothing; classes where class_dimension says), mean squared error for
// floating-point ones. -100 marks a position without a label.
// errors: data for batches without labels, labels out of range and shapes that do not fit.
Objective supervised_objective(double label_smoothing);

// One part of a weighted sum of losses.
struct LossTerm {
  std::string name;  // of its curve: "loss_kd"
  Ramp weight{1};
  Objective loss;
  // s of a learned weight: the part is exp(-s) * weight * loss + s / 2 (Kendall et al. 2018, arXiv:1705.07115); a leaf of
  // shape [], or undefined.
  at::Tensor log_variance = {};
};

// A weighted sum of losses that keeps the mean of each part, and weights that move, for the curves. Copies share them.
class LossSum {
 public:
  explicit LossSum(std::vector<LossTerm> terms);  // terms whose weight is and stays 0 are not computed
  at::Tensor operator()(const std::vector<at::Tensor>& outputs, const Batch& batch) const;
  void set_share(double share) const;  // of the training that is done
  // The tensors of learned weights, by name.
  std::vector<std::pair<std::string, at::Tensor>> learned() const;
  // Means of the parts since the last call, and moving weights as they are now, by name; for TrainHooks::after_epoch.
  std::map<std::string, double> take_means() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dsc
