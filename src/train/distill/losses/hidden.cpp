// hidden, embedding: mean squared difference of states [N, S, ...], through a learned projection where the networks' widths differ.
// source: Jiao et al. 2020, arXiv:1909.10351, equations 8 and 9; Romero et al. 2015, arXiv:1412.6550, equation 3.
#include "train/distill/losses/values.h"
#include "train/distill/options.h"

namespace dsc {
namespace {

at::Tensor compare_states(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  return masked_squared_error(student, teacher, mask_along(mask, 1, student.dim()));
}

}  // namespace

void Hidden::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  map.fields(visit);
}

at::Tensor Hidden::compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const { return compare_states(student, teacher, mask); }

void Embedding::fields(FieldVisitor& visit) { visit_weight(weight, visit); }

at::Tensor Embedding::compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) const { return compare_states(student, teacher, mask); }

}  // namespace dsc
