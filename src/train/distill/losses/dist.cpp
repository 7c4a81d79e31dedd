// dist: T^2 * (beta * (1 - correlation over classes) + gamma * (1 - correlation over examples)), means over rows and columns.
// source: Huang et al. 2022, arXiv:2205.10536, equations 6 to 10.
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

#include "train/distill/losses/scores.h"
#include "train/distill/options.h"

namespace dsc {
namespace {

// 1 - Pearson correlation of each row, over the columns that count (1, others 0); mean over the rows that count.
at::Tensor decorrelation(const at::Tensor& a, const at::Tensor& b, const at::Tensor& columns, const at::Tensor& rows) {
  const auto centred = [&](const at::Tensor& x) { return (x - (x * columns).sum(1, true) / columns.sum()) * columns; };
  const auto x = centred(a), y = centred(b);
  const auto norms = x.norm(2, 1) * y.norm(2, 1);
  return 1 - ((x * y).sum(1) / (norms + 1e-8) * rows).sum() / rows.sum();
}

}  // namespace

void Dist::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("class_weight", class_weight, {.text = "Weight of the correlation over classes (the paper's beta).", .minimum = 0});
  visit("example_weight", example_weight, {.text = "Weight of the correlation over examples (the paper's gamma).", .minimum = 0});
  visit_temperature(temperature, visit);
}

at::Tensor Dist::compare(const ScorePair& pair) const {
  const double t = temperature.at(pair.share);
  const auto ours = score_rows(pair.student), theirs = score_rows(pair.teacher(t));
  const auto student = at::softmax(ours / t, 1), teacher = at::softmax(theirs / t, 1);
  const auto classes = ours.isneginf().logical_and(theirs.isneginf()).all(0).logical_not().to(at::kFloat);
  const auto examples = at::ones({ours.size(0)}, classes.options());
  const auto between_classes = decorrelation(student, teacher, classes, examples), between_examples = decorrelation(student.t(), teacher.t(), examples, classes);
  return (between_classes * class_weight + between_examples * example_weight) * (t * t);
}

}  // namespace dsc
