// The output that a batch's target belongs to.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <vector>

namespace dsc {

// Scores of a picture's pixels, enlarged to the picture that is labelled where they are of a coarser one, as segmentation networks that
// work at a quarter of the resolution are trained: bilinear, corners not aligned. target: [N, H, W] classes; others leave scores as they are.
inline at::Tensor at_size_of(const at::Tensor& scores, const at::Tensor& target) {
  const bool are_pixels =
      target.defined() && target.dim() == 3 && !target.is_floating_point() && scores.dim() == 4 && scores.size(2) > 0 && scores.size(3) > 0;
  if (!are_pixels || scores.sizes().slice(2) == target.sizes().slice(1)) return scores;
  const bool is_coarser = target.size(1) % scores.size(2) == 0 && target.size(2) % scores.size(3) == 0;
  return is_coarser ? at::upsample_bilinear2d(scores, {target.size(1), target.size(2)}, false) : scores;
}

// The first output; or, for a target of k labels an example and k outputs [N, T] or more, those side by side as [N, T, k]:
// models for question answering give scores of starts and ends apart. precondition: at least one output.
inline at::Tensor matching_output(const std::vector<at::Tensor>& outputs, const at::Tensor& target) {
  const auto k = target.defined() && target.dim() == 2 && !target.is_floating_point() ? static_cast<std::size_t>(target.size(1)) : 0;
  if (k < 2 || outputs.size() < k) return at_size_of(outputs.front(), target);
  for (std::size_t i = 0; i < k; ++i) {
    if (outputs[i].dim() != 2 || outputs[i].sizes() != outputs[0].sizes()) return outputs.front();
  }
  return at::stack(at::TensorList(outputs.data(), k), 2);
}

}  // namespace dsc
