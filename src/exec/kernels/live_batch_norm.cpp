#include "exec/kernels/live_batch_norm.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>

#include "exec/kernels/fake_quant.h"
#include "ops/weight_channels.h"

namespace dsc {
namespace {

constexpr double kLeastScale = 1e-6;

}  // namespace

at::Tensor batch_norm_scale(const std::optional<at::Tensor>& weight, const at::Tensor& running_var, double eps, at::IntArrayRef weight_sizes,
                            std::int64_t axis, std::int64_t groups) {
  const at::NoGradGuard no_grad;
  at::Tensor scale = (running_var + eps).rsqrt();
  if (weight && weight->defined()) scale = scale * weight->detach();
  return spread_over_weight(at::where(scale.abs() < kLeastScale, at::full_like(scale, kLeastScale), scale), weight_sizes, {axis, groups});
}

BatchNorm live_batch_norm_arguments(const at::Tensor& input, const std::optional<at::Tensor>& weight, const at::Tensor& bias,
                                    const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& phase, double momentum,
                                    double eps, bool training) {
  return {.input = input, .weight = weight, .bias = bias, .running_mean = running_mean, .running_var = running_var,
          .training = training && read_phase(phase).batch_statistics, .momentum = momentum, .eps = eps};
}

at::Tensor live_batch_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, const at::Tensor& bias,
                           const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& phase, double momentum,
                           double eps, bool training) {
  return batch_norm(live_batch_norm_arguments(input, weight, bias, running_mean, running_var, phase, momentum, eps, training));
}

}  // namespace dsc
