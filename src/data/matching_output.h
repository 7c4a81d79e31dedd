// The output that a batch's target belongs to.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/stack.h>

#include <vector>

namespace dsc {

// The first output; or, for a target of k labels an example and k outputs [N, T] or more, those side by side as [N, T, k]:
// models for question answering give scores of starts and ends apart. precondition: at least one output.
inline at::Tensor matching_output(const std::vector<at::Tensor>& outputs, const at::Tensor& target) {
  const auto k = target.defined() && target.dim() == 2 && !target.is_floating_point() ? static_cast<std::size_t>(target.size(1)) : 0;
  if (k < 2 || outputs.size() < k) return outputs.front();
  for (std::size_t i = 0; i < k; ++i) {
    if (outputs[i].dim() != 2 || outputs[i].sizes() != outputs[0].sizes()) return outputs.front();
  }
  return at::stack(at::TensorList(outputs.data(), k), 2);
}

}  // namespace dsc
