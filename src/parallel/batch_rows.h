// Which rows of a batch are a rank's own, and the whole batch again from everyone's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/ranks.h"

namespace dsc {

class BatchRows {
 public:
  // examples: of the whole batch, at least as many as ranks.
  BatchRows(Ranks& ranks, std::int64_t examples) : ranks_(ranks), examples_(examples), own_(part_of(ranks, examples)) {}

  // The own examples of tensors whose dimension 0 is the whole batch's examples.
  std::vector<at::Tensor> take(const std::vector<at::Tensor>& tensors) const;
  // The whole batch's rows, on every rank; a tensor has the same number of rows for each example. What is computed from the
  // result is computed by all ranks alike, so the gradient that comes back is whole for the own rows.
  // errors: data, for a tensor whose dimension 0 is not examples.
  at::Tensor gather(const at::Tensor& own) const;
  std::vector<at::Tensor> gather(const std::vector<at::Tensor>& own) const;

 private:
  Ranks& ranks_;
  std::int64_t examples_;
  Part own_;
};

}  // namespace dsc
