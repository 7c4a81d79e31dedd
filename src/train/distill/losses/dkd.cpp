// dkd: kd in two parts, that on the label's class against all others and that among the others, each with its weight.
// source: Zhao et al. 2022, arXiv:2203.08679, equation 7.
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/one_hot.h>

#include "train/distill/losses/scores.h"
#include "train/distill/options.h"

namespace dsc {

void Dkd::fields(FieldVisitor& visit) {
  visit_weight(weight, visit);
  visit("target_weight", target_weight, {.text = "Weight of the part on the target class (the paper's alpha).", .minimum = 0});
  visit("rest_weight", rest_weight, {.text = "Weight of the part on the other classes (the paper's beta).", .minimum = 0});
  visit_temperature(temperature, visit);
}

at::Tensor Dkd::compare(const ScorePair& pair) const {
  const double temperature_now = temperature.at(pair.share);
  const auto teacher = pair.teacher(temperature_now);
  const auto s = score_rows(pair.student) / temperature_now, t = score_rows(teacher) / temperature_now;
  const auto is_target = at::one_hot(pair.labels.reshape({-1}), s.size(1)).to(at::kBool);
  // Scores without the target's: so low that its probability is exactly zero.
  const auto s_rest = s.masked_fill(is_target, -1e30), t_rest = t.masked_fill(is_target, -1e30);
  const auto two_way = [&](const at::Tensor& scores, const at::Tensor& rest) {
    const auto all = at::logsumexp(scores, 1, true);
    const auto of_target = scores.masked_select(is_target).reshape({-1, 1});
    return at::cat({of_target - all, at::logsumexp(rest, 1, true) - all}, 1);
  };
  const auto target_part = mean_divergence(two_way(s, s_rest), two_way(t, t_rest));
  const auto rest_part = mean_divergence(at::log_softmax(s_rest, 1), at::log_softmax(t_rest, 1));
  return (target_part * target_weight + rest_part * rest_weight) * (temperature_now * temperature_now);
}

}  // namespace dsc
