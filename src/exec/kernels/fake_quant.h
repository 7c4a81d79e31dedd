// The operators that quantisation-aware training puts into a graph while it trains.
//
// LibTorch has a fused one (`aten::fused_moving_avg_obs_fake_quant`), but not for bf16, and it takes several times longer
// than the convolution beside it. These do one vectorised pass each way, save nothing but their input, and give the same
// numbers in f32 as `aten::fake_quantize_per_tensor_affine` and `fake_quantize_per_channel_affine`, forward and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsc {

// Entries of an activation quantiser's range, an f32 buffer [2] of the model; minimum above maximum: nothing seen yet.
enum QuantRangeEntry : std::uint8_t { kRangeMin, kRangeMax };
at::Tensor make_quant_range();

// Entries of what all quantisers of a model share, an f32 buffer [3].
enum QuantPhaseEntry : std::uint8_t {
  kObserve,          // 1: training moves the ranges
  kShare,            // how far values go towards their quantised form: 0 they pass, 1 they are quantised
  kBatchStatistics,  // 1: batch norms use and move their statistics in training (exec/kernels/live_batch_norm.h)
  kQuantPhaseSize
};
at::Tensor make_quant_phase();
struct QuantPhase {
  bool observe = true;
  double share = 1;
  bool batch_statistics = true;
};
QuantPhase read_phase(const at::Tensor& phase);

// Targets of the nodes.
inline constexpr const char* kObserveFakeQuant = "dscompress.observe_fake_quant.default";
inline constexpr const char* kFakeQuantWeight = "dscompress.fake_quant_weight.default";
enum QuantAxis : std::int8_t { kOneGrid = -1, kRowGrids = -2 };
inline constexpr const char* kLearnedFakeQuant = "dscompress.learned_fake_quant.default";

// Makes them known to the dispatcher; may be called again.
//   observe_fake_quant(Tensor self, Tensor(a!) range, Tensor phase, float momentum, int quant_min, int quant_max,
//                      bool symmetric, bool train=False) -> Tensor
//     With `train`, moves the ranges: range = momentum * range + (1 - momentum) * the batch's, the first batch sets them.
//     Then rounds to the integers' grid; the gradient passes where nothing was clamped (straight-through estimator).
//   fake_quant_weight(Tensor self, Tensor phase, int axis, int quant_min, int quant_max, bool symmetric, int paired_axis=-1) -> Tensor
//     Rounds each channel to the grid of its own smallest and largest value; axis kOneGrid: one grid for all; kRowGrids: one
//     for each row along the last dimension. With paired_axis grids reach as far as ops/pair_sums.h asks. The gradient passes.
//   learned_fake_quant(Tensor self, Tensor step, Tensor phase, int axis, int zero_point, int quant_min, int quant_max) -> Tensor
//     Rounds to a grid whose step is trained: exec/kernels/learned_fake_quant.h.
//   batch_norm_scale(Tensor? weight, Tensor running_var, float eps, int[] weight_sizes, int axis, int groups) -> Tensor
//   live_batch_norm(Tensor input, Tensor? weight, Tensor bias, Tensor(a!) running_mean, Tensor(b!) running_var, Tensor phase,
//                   float momentum, float eps, bool training=False) -> Tensor
//     Batch norm behind a layer whose weight is quantised in its folded form: exec/kernels/live_batch_norm.h.
void register_fake_quant_operators();

}  // namespace dsc
