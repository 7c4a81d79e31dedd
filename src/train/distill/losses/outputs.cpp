// outputs: mean squared difference of the outputs themselves, over those that count.
#include "train/distill/losses/scores.h"
#include "train/distill/options.h"

namespace dsc {

void OutputError::fields(FieldVisitor& visit) { visit_weight(weight, visit); }

at::Tensor OutputError::compare(const ScorePair& pair) const {
  const auto ours = pair.student.to(at::kFloat), theirs = pair.teacher_mean().to(at::kFloat);
  const auto masked = ours.isneginf().logical_and(theirs.isneginf());
  const auto squares = (ours.masked_fill(masked, 0) - theirs.masked_fill(masked, 0)).square();
  return squares.sum() / masked.logical_not().sum().clamp_min(1);
}

}  // namespace dsc
