// The operators that quantisation-aware training puts into a graph while it trains.
//
// LibTorch has a fused one (`aten::fused_moving_avg_obs_fake_quant`), but not for bf16, and it takes several times longer
// than the convolution beside it. These do one vectorised pass each way, save nothing but their input, and give the same
// numbers in f32 as `aten::fake_quantize_per_tensor_affine` and `fake_quantize_per_channel_affine`, forward and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsc {

// Entries of an activation quantiser's state, an f32 buffer [4] of the model.
enum QuantState : std::uint8_t {
  kRangeMin,  // running ranges; minimum above maximum: nothing seen yet
  kRangeMax,
  kObserve,   // 1: training moves the ranges
  kQuantize,  // 1: values are quantised; 0: they pass
  kQuantStateSize
};
at::Tensor make_quant_state();

// Targets of the nodes.
inline constexpr const char* kObserveFakeQuant = "dscompress.observe_fake_quant.default";
inline constexpr const char* kFakeQuantWeight = "dscompress.fake_quant_weight.default";

// Makes both known to the dispatcher; may be called again.
//   observe_fake_quant(Tensor self, Tensor(a!) state, float momentum, int quant_min, int quant_max, bool symmetric,
//                      bool train=False) -> Tensor
//     With `train`, moves the ranges: range = momentum * range + (1 - momentum) * the batch's, the first batch sets them.
//     Then rounds to the integers' grid; the gradient passes where nothing was clamped (straight-through estimator).
//   fake_quant_weight(Tensor self, int axis, int quant_min, int quant_max, bool symmetric) -> Tensor
//     Rounds each channel to the grid of its own smallest and largest value; axis -1: one grid for all. The gradient passes.
void register_fake_quant_operators();

}  // namespace dsc
