#include "train/distill/score_loss.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/softmax.h>

namespace dsc {
namespace {

at::Tensor rows(const at::Tensor& scores) { return scores.to(at::kFloat).reshape({-1, scores.size(-1)}); }

// KL(teacher || student) from log-probabilities, mean over rows.
at::Tensor divergence(const at::Tensor& student, const at::Tensor& teacher) {
  return at::kl_div(student, teacher, at::Reduction::Sum, /*log_target=*/true) / student.size(0);
}

// 1 - Pearson correlation of each row, mean over rows.
at::Tensor decorrelation(const at::Tensor& a, const at::Tensor& b) {
  const auto x = a - a.mean(1, true), y = b - b.mean(1, true);
  const auto norms = x.norm(2, 1) * y.norm(2, 1);
  return 1 - ((x * y).sum(1) / (norms + 1e-8)).mean();
}

}  // namespace

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
  const auto s = at::softmax(rows(student) / temperature, 1), t = at::softmax(rows(teacher) / temperature, 1);
  const auto between_classes = decorrelation(s, t), between_examples = decorrelation(s.t(), t.t());
  return (between_classes * beta + between_examples * gamma) * (temperature * temperature);
}

}  // namespace dsc
