#include "train/average.h"

#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace dsc {

WeightAverage::WeightAverage(double decay, std::vector<std::string> names) : decay_(decay), names_(std::move(names)) {}

void WeightAverage::update(const std::vector<at::Tensor>& parameters) {
  c10::NoGradGuard no_grad;
  if (averages_.empty()) {
    for (const auto& parameter : parameters) averages_.push_back(parameter.detach().clone());
    return;
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {  // a loaded state may lie differently in memory
    if (averages_[i].strides() == parameters[i].strides() && averages_[i].device() == parameters[i].device()) continue;
    averages_[i] = at::empty_like(parameters[i]).copy_(averages_[i]);
  }
  std::vector<at::Tensor> values;
  for (const auto& parameter : parameters) values.push_back(parameter.detach());
  at::_foreach_lerp_(averages_, values, 1 - decay_);
}

std::map<std::string, at::Tensor> WeightAverage::state() const {
  std::map<std::string, at::Tensor> state;
  for (std::size_t i = 0; i < averages_.size(); ++i) state[names_[i]] = averages_[i];
  return state;
}

void WeightAverage::load(const std::map<std::string, at::Tensor>& state) {
  averages_.clear();
  if (state.empty()) return;
  for (const auto& name : names_) averages_.push_back(state.at(name));
}

}  // namespace dsc
