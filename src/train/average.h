// Exponential moving average of weights over the optimiser's steps.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace dsc {

// The first update copies the weights, later ones move the average by (1 - decay), as torch.optim.swa_utils does.
class WeightAverage {
 public:
  WeightAverage(double decay, std::vector<std::string> names);
  void update(const std::vector<at::Tensor>& parameters);  // in the order of `names`
  bool empty() const { return averages_.empty(); }
  std::map<std::string, at::Tensor> state() const;         // by parameter name
  void load(const std::map<std::string, at::Tensor>& state);

 private:
  double decay_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> averages_;
};

}  // namespace dsc
