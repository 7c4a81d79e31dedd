#include "train/distill/score_loss.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

#include "train/distill/divergence.h"

namespace dsc {
namespace {

at::Tensor rows(const at::Tensor& scores) { return scores.to(at::kFloat).reshape({-1, scores.size(-1)}); }

// Mean over rows.
at::Tensor divergence(const at::Tensor& student, const at::Tensor& teacher) { return divergence_terms(student, teacher).sum() / student.size(0); }

// 1 - Pearson correlation of each row, over the columns that count (1, others 0); mean over the rows that count.
at::Tensor decorrelation(const at::Tensor& a, const at::Tensor& b, const at::Tensor& columns, const at::Tensor& rows) {
  const auto centred = [&](const at::Tensor& x) { return (x - (x * columns).sum(1, true) / columns.sum()) * columns; };
  const auto x = centred(a), y = centred(b);
  const auto norms = x.norm(2, 1) * y.norm(2, 1);
  return 1 - ((x * y).sum(1) / (norms + 1e-8) * rows).sum() / rows.sum();
}

}  // namespace

at::Tensor output_loss(const at::Tensor& student, const at::Tensor& teacher) {
  const auto s = student.to(at::kFloat), t = teacher.to(at::kFloat);
  const auto masked = s.isneginf().logical_and(t.isneginf());
  const auto squares = (s.masked_fill(masked, 0) - t.masked_fill(masked, 0)).square();
  return squares.sum() / masked.logical_not().sum().clamp_min(1);
}

at::Tensor soft_target_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  const auto s = at::log_softmax(rows(student) / temperature, 1), t = at::log_softmax(rows(teacher) / temperature, 1);
  return divergence(s, t) * (temperature * temperature);
}

at::Tensor decoupled_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& target, double alpha,
                          double beta, double temperature) {
  const auto s = rows(student) / temperature, t = rows(teacher) / temperature;
  const auto is_target = at::one_hot(target.reshape({-1}), s.size(1)).to(at::kBool);
  // Scores without the target's: so low that its probability is exactly zero.
  const auto s_rest = s.masked_fill(is_target, -1e30), t_rest = t.masked_fill(is_target, -1e30);
  const auto two_way = [&](const at::Tensor& scores, const at::Tensor& rest) {
    const auto all = at::logsumexp(scores, 1, true);
    const auto of_target = scores.masked_select(is_target).reshape({-1, 1});
    return at::cat({of_target - all, at::logsumexp(rest, 1, true) - all}, 1);
  };
  const auto target_part = divergence(two_way(s, s_rest), two_way(t, t_rest));
  const auto rest_part = divergence(at::log_softmax(s_rest, 1), at::log_softmax(t_rest, 1));
  return (target_part * alpha + rest_part * beta) * (temperature * temperature);
}

at::Tensor relation_loss(const at::Tensor& student, const at::Tensor& teacher, double beta, double gamma, double temperature) {
  const auto ours = rows(student), theirs = rows(teacher);
  const auto s = at::softmax(ours / temperature, 1), t = at::softmax(theirs / temperature, 1);
  const auto classes = ours.isneginf().logical_and(theirs.isneginf()).all(0).logical_not().to(at::kFloat);
  const auto examples = at::ones({ours.size(0)}, classes.options());
  const auto between_classes = decorrelation(s, t, classes, examples), between_examples = decorrelation(s.t(), t.t(), examples, classes);
  return (between_classes * beta + between_examples * gamma) * (temperature * temperature);
}

}  // namespace dsc
