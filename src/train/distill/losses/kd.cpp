// kd: T^2 * KL(teacher || student) of scores softened by T, mean over positions.
// source: Hinton et al. 2015, arXiv:1503.02531, section 2.
#include <ATen/ops/log_softmax.h>

#include "train/distill/losses/scores.h"
#include "train/distill/options.h"

namespace dsc {

void Kd::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit_temperature(temperature, visit);
}

at::Tensor Kd::compare(const ScorePair& pair) const {
  const double t = temperature.at(pair.share);
  const auto teacher = pair.teacher(t);
  const auto ours = at::log_softmax(score_rows(pair.student) / t, 1), theirs = at::log_softmax(score_rows(teacher) / t, 1);
  return mean_divergence(ours, theirs) * (t * t);
}

}  // namespace dsc
