// Kullback-Leibler divergence where some probabilities are zero.
#pragma once

#include <ATen/core/Tensor.h>

namespace dsc {

// Each element's part of KL(teacher || student), from log-probabilities. What the teacher gives no probability (-inf) counts
// zero, which is the limit, and has no gradient; what only the student gives none is infinite.
inline at::Tensor divergence_terms(const at::Tensor& student, const at::Tensor& teacher) {
  const auto impossible = teacher.isneginf();
  const auto s = student.masked_fill(impossible, 0), t = teacher.masked_fill(impossible, 0);
  return t.exp() * (t - s);
}

}  // namespace dsc
