// Keeps training away from a oneDNN kernel that is wrong.
#pragma once

#include <ATen/core/ivalue.h>

#include <vector>

namespace dsc {

// Of a 1x1 convolution with a stride, few input channels and no padding, the arguments become those of the same
// convolution with stride 1 over the elements that it reads: x[:, :, ::s, ::s].
//
// LibTorch 2.13's oneDNN computes such a convolution's gradient of the weights wrongly on processors without AVX-512
// (jit_1x1:avx2, backward_weights, sources in channels_last with fewer than eight channels): the gradient is off by its own
// size and memory beyond it is overwritten. Done on every processor, so that no list of kernels has to be kept; such
// convolutions are rare, and the copy is a part of what the kernel would read anyway.
// stack: the arguments of aten.conv1d, conv2d, conv3d or aten.convolution. Others are left as they are.
void subsample_before_pointwise(std::vector<c10::IValue>& stack);

// For `doctor`: what is avoided.
inline constexpr const char* kPointwiseWorkaround =
    "gradients of 1x1 convolutions with a stride and fewer than 8 input channels avoid a oneDNN kernel that is wrong without AVX-512";

}  // namespace dsc
