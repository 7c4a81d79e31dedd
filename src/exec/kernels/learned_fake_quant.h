// Fake quantisation with a step size that is trained.
// source: Esser et al. 2020, "Learned step size quantization", arXiv:1902.08153, equations 1 to 3 and section 2.2.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsc {

// step: f32 [] for the whole tensor (axis -1), or [C] for each index of `axis`. Backwards the input's gradient passes
// where nothing was clamped; the step's is scaled by 1 / sqrt(elements of a step * largest integer), as the paper says, and
// at most as large as the step, so that a step changes by its own size times the learning rate at most. Without that bound
// the small steps of 8-bit weights jump: one that comes near zero clamps everything, and the next gradient throws it far out.
at::Tensor learned_fake_quant(const at::Tensor& self, const at::Tensor& step, const at::Tensor& phase, std::int64_t axis,
                              std::int64_t zero_point, std::int64_t quant_min, std::int64_t quant_max);

// The smallest step that is used; a trained one may fall below it.
inline constexpr float kLeastStep = 1e-8F;

}  // namespace dsc
