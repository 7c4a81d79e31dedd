#include "exec/exit_rule.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace dsc {

at::Tensor sureness(ExitCriterion criterion, const at::Tensor& scores) {
  const at::Tensor rows = scores.to(at::kFloat);
  if (criterion == ExitCriterion::confidence) return std::get<0>(at::softmax(rows, 1).max(1));
  const at::Tensor logs = at::log_softmax(rows, 1);
  return -(logs.exp() * logs).nan_to_num(0).sum(1) / std::log(static_cast<double>(rows.size(1)));  // 0 log 0 is 0
}

at::Tensor ExitDecision::leaving(const at::Tensor& scores) {
  if (rule_.criterion == ExitCriterion::confidence) return sureness(rule_.criterion, scores) > rule_.threshold;
  if (rule_.criterion == ExitCriterion::entropy) return sureness(rule_.criterion, scores) < rule_.threshold;
  const at::Tensor choice = scores.argmax(1);
  streak_ = choice_.defined() ? at::where(choice == choice_, streak_ + 1, at::zeros_like(streak_)) : at::zeros_like(choice);
  choice_ = choice;
  return streak_ >= rule_.threshold;
}

void ExitDecision::keep(const at::Tensor& rows) {
  if (!choice_.defined()) return;
  choice_ = choice_.index_select(0, rows);
  streak_ = streak_.index_select(0, rows);
}

at::Tensor exits_taken(const ExitRule& rule, const std::vector<at::Tensor>& scores) {
  const auto last = static_cast<std::int64_t>(scores.size()) - 1;
  at::Tensor taken = at::full({scores.front().size(0)}, last, at::kLong);
  ExitDecision decision(rule);
  for (std::int64_t i = 0; i < last; ++i) {
    const at::Tensor leaves = decision.leaving(scores[static_cast<std::size_t>(i)]).logical_and(taken == last);
    taken = at::where(leaves, i, taken);
  }
  return taken;
}

}  // namespace dsc
