// Losses between a student's and a teacher's class scores, [..., classes] each.
#pragma once

#include <ATen/core/Tensor.h>

namespace dsc {

// Classes whose scores are -inf in both, as masks leave them, count in none of these.

// Mean squared difference over the scores that count.
at::Tensor output_loss(const at::Tensor& student, const at::Tensor& teacher);

// T^2 * KL(teacher || student) of softened scores, mean over positions.
// source: Hinton et al. 2015, arXiv:1503.02531, section 2.
at::Tensor soft_target_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature);

// Decoupled form: target-class part times `alpha` plus non-target part times `beta`, both times T^2. target: [...] i64.
// source: Zhao et al. 2022, arXiv:2203.08679, equation 7.
at::Tensor decoupled_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& target, double alpha,
                          double beta, double temperature);

// T^2 * (beta * (1 - correlation over classes) + gamma * (1 - correlation over examples)), means over rows and columns.
// source: Huang et al. 2022, arXiv:2205.10536, equations 6 to 10.
at::Tensor relation_loss(const at::Tensor& student, const at::Tensor& teacher, double beta, double gamma, double temperature);

}  // namespace dsc
