// spatial_attention: mean squared difference of the normalised sums of squares over channels; feature maps [N, C, H, W].
// source: Zagoruyko and Komodakis 2017, arXiv:1612.03928, equation 2, with the mean of the authors' code.
#include "exec/kernels/squared_error.h"
#include "train/distill/options.h"

namespace dsc {
namespace {

at::Tensor spatial_map(const at::Tensor& features) {
  const auto map = features.to(at::kFloat).square().mean(1).flatten(1);
  return map / map.norm(2, 1, true).clamp_min(1e-12);
}

}  // namespace

void SpatialAttention::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  map.fields(visit);
}

std::string SpatialAttention::remedy(const at::Tensor& student, const at::Tensor& teacher) const {
  const bool fits = student.dim() == 4 && teacher.dim() == 4 && student.sizes().slice(2) == teacher.sizes().slice(2);
  return fits ? "" : "spatial_attention needs feature maps [examples, channels, height, width] of one size: name other layers";
}

at::Tensor SpatialAttention::compare(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor&) const {
  return mean_squared_error(spatial_map(student), spatial_map(teacher));
}

}  // namespace dsc
