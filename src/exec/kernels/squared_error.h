// Mean squared error of large tensors, such as the feature maps that a student learns from.
//
// Spelled out in operators, widening, difference, square, mean and their gradients are a dozen passes over f32 copies: nine
// maps of a ResNet-20 took half of a training step. This is one pass each way over the tensors as they are.
#pragma once

#include <ATen/core/Tensor.h>

namespace dsc {

// Mean over all elements of (a - b)^2, computed in f32; sizes must agree. returns: f32, with a gradient for `a` only.
at::Tensor mean_squared_error(const at::Tensor& a, const at::Tensor& b);

}  // namespace dsc
