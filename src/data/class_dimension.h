// Class labels of positions, and which dimension of a model's output holds the classes: one rule for losses, distillation and
// metrics.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace dsc {

inline constexpr std::int64_t kNoLabel = -100;  // PyTorch's ignore_index: the sign of positions without a label

// With labels, the one that they lack; where two would do, that of the convention: the second of four and more dimensions, as
// dense image networks have it ([N, C, H, W] for labels [N, H, W]), else the last, as transformers have it ([N, T, C] for
// labels [N, T]). Without labels (undefined) the convention alone. none: the labels are not one for each position.
inline std::optional<std::int64_t> class_dimension(const at::Tensor& output, const at::Tensor& labels) {
  const std::int64_t usual = output.dim() >= 4 ? 1 : output.dim() - 1, other = output.dim() >= 4 ? output.dim() - 1 : 1;
  if (output.dim() < 2) return std::nullopt;
  if (!labels.defined()) return usual;
  if (output.dim() != labels.dim() + 1) return std::nullopt;
  for (const std::int64_t dim : {usual, other}) {
    std::vector<std::int64_t> sizes = output.sizes().vec();
    sizes.erase(sizes.begin() + dim);
    if (at::IntArrayRef(sizes) == labels.sizes()) return dim;
  }
  return std::nullopt;
}

}  // namespace dsc
