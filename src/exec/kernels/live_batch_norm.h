// Batch norm behind a layer whose weight is quantised as it will be deployed: folded.
//
//   scale  = gamma / sqrt(running_var + eps)
//   weight'= quantise(weight * scale) / scale          the deployed integers, in the units of the layer before folding
//   y      = batch_norm(layer(x, weight'))             with the batch's statistics, later with the running ones
//
// With running statistics this is layer(x, quantise(weight * scale)) + beta - mean * scale, the folded layer; with those of
// the batch it is the same corrected by sigma_running / sigma_batch.
// source: Jacob et al. 2018, arXiv:1712.05877, section 3.2; Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.2.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "exec/kernels/batch_norm.h"

namespace dsc {

// Targets of the nodes.
inline constexpr const char* kBatchNormScale = "dscompress.batch_norm_scale.default";
inline constexpr const char* kLiveBatchNorm = "dscompress.live_batch_norm.default";

// weight (gamma, none: ones), running_var: [C]. returns: the scale in a shape that multiplies the layer's weight, whose sizes
// and channels are given (ops/weight_channels.h), kept away from zero so that dividing by it is safe; no gradient flows
// through it (gamma has its own in the batch norm).
at::Tensor batch_norm_scale(const std::optional<at::Tensor>& weight, const at::Tensor& running_var, double eps, at::IntArrayRef weight_sizes,
                            std::int64_t axis, std::int64_t groups);

// Batch norm that uses and moves its statistics as long as the phase (exec/kernels/fake_quant.h) says so.
BatchNorm live_batch_norm_arguments(const at::Tensor& input, const std::optional<at::Tensor>& weight, const at::Tensor& bias,
                                    const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& phase, double momentum,
                                    double eps, bool training);
at::Tensor live_batch_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight, const at::Tensor& bias,
                           const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& phase, double momentum,
                           double eps, bool training);

}  // namespace dsc
