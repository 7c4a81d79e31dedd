// Integer kernels that add two neighbouring products in 16 bits, and weights that fit them.
//
// Without VNNI, x86-64 multiplies bytes by `vpmaddubsw`: an activation in 0 .. 255 times a weight, twice, added with
// saturation at 32,767. Two products of the largest integers do not fit: 2 x 255 x 127 = 64,770; the kernel then computes
// another network than the graph says, and says nothing. Neighbours are the input channels 2j and 2j + 1 of one kernel
// element (checked against OpenVINO 2026.4 on AVX2, pair by pair: convolutions, grouped and transposed ones, linear layers,
// products of activations; depthwise convolutions have no neighbours).
// Where the integers of two neighbours of one sign add up to 128 at most, 255 x 128 = 32,640 fits, on every processor.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsc {

inline constexpr std::int64_t kLargestPairSum = 128;

// Of each channel, the largest sum of two neighbours of one sign: f32 [C]. A symmetric grid of 8 bits that reaches so far
// (127 steps) rounds every pair to kLargestPairSum at most.
// paired_axis: the axis of `weight` along which products are added.
at::Tensor largest_pair_sums(const at::Tensor& weight, std::int64_t channel_axis, std::int64_t paired_axis);

// Lowers the larger of two neighbours where roundings other than to the nearest have left a sum above kLargestPairSum.
// integers: of any type, symmetric grid. returns: of the same type and shape.
at::Tensor limit_pair_sums(const at::Tensor& integers, std::int64_t paired_axis);

}  // namespace dsc
