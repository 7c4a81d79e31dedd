// Weighted sums of objectives, which a training minimises.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/label_losses.h"
#include "train/schedule.h"

namespace dsc {

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
