#include "exec/exit_chain.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <utility>

#include "dscompress/error.h"
#include "exec/exit_rule.h"

namespace dsc {

ExitChain::ExitChain(ExitChainPlan plan, std::vector<StageEngine> stages)
    : plan_(std::move(plan)), stages_(std::move(stages)), needed_(plan_.stages.size()), counts_(plan_.stages.size()) {
  for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
    for (std::size_t later = i + 1; later < plan_.stages.size(); ++later) {
      for (const auto& name : plan_.stages[later].takes) needed_[i][name] = std::ranges::find(plan_.shared, name) == plan_.shared.end();
    }
  }
}

std::vector<at::Tensor> ExitChain::run(const std::vector<at::Tensor>& inputs) {
  const at::NoGradGuard no_grad;
  const auto& names = plan_.stages.front().takes;
  if (inputs.size() != names.size())
    throw Error(ErrorCode::data, "the chain takes " + std::to_string(names.size()) + " inputs, and got " + std::to_string(inputs.size()));
  Values values;
  for (std::size_t i = 0; i < names.size(); ++i) values[names[i]] = inputs[i];
  const std::int64_t count = inputs.front().size(0);
  at::Tensor rows = at::arange(count, at::kLong), result;
  taken_ = at::full({count}, static_cast<std::int64_t>(stages_.size()) - 1, at::kLong);
  ExitDecision decision(plan_.rule);
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    auto made = run_stage(stage, values);
    const at::Tensor scores = made.front().to(at::kCPU);
    const at::Tensor leaves = leaving(stage, scores, decision), gone = leaves.nonzero().flatten();
    counts_[stage] += gone.size(0);
    if (gone.size(0) == count) {
      taken_.fill_(static_cast<std::int64_t>(stage));
      return {scores};
    }
    if (!result.defined()) result = at::empty({count, scores.size(1)}, scores.options());
    const at::Tensor where = rows.index_select(0, gone);
    result.index_copy_(0, where, scores.index_select(0, gone));
    taken_.index_fill_(0, where, static_cast<std::int64_t>(stage));
    if (gone.size(0) == rows.size(0)) break;
    hand_on(stage, std::move(made), values);
    if (gone.size(0) == 0) continue;
    const at::Tensor stays = leaves.logical_not().nonzero().flatten();
    rows = rows.index_select(0, stays);
    decision.keep(stays);
    keep_rows(stage, stays, values);
  }
  return {result};
}

std::vector<at::Tensor> ExitChain::run_stage(std::size_t stage, const Values& values) {
  std::vector<at::Tensor> taken;
  for (const auto& name : plan_.stages[stage].takes) taken.push_back(values.at(name));
  auto made = stages_[stage].engine->run(taken);
  if (made.size() != plan_.stages[stage].gives.size() + 1)
    throw Error(ErrorCode::model_file, "stage " + std::to_string(stage) + " of the chain does not give what its plan says");
  return made;
}

at::Tensor ExitChain::leaving(std::size_t stage, const at::Tensor& scores, ExitDecision& decision) const {
  if (stage + 1 == stages_.size() || stage == forced_) return at::full({scores.size(0)}, true, at::kBool);
  if (forced_) return at::full({scores.size(0)}, false, at::kBool);
  return decision.leaving(scores);
}

// Forgets what nobody reads any more.
void ExitChain::hand_on(std::size_t stage, std::vector<at::Tensor> made, Values& values) const {
  const auto& gives = plan_.stages[stage].gives;
  for (std::size_t i = 0; i < gives.size(); ++i) values[gives[i]] = std::move(made[i + 1]);
  std::erase_if(values, [&](const auto& value) { return !needed_[stage].contains(value.first); });
}

void ExitChain::keep_rows(std::size_t stage, const at::Tensor& rows, Values& values) const {
  for (auto& [name, tensor] : values) {
    if (needed_[stage].at(name)) tensor = tensor.index_select(0, rows.to(tensor.device()));
  }
}

std::string ExitChain::name() const {
  const bool goes_on = std::ranges::any_of(plan_.stages, [](const ExitStage& stage) { return !stage.gives.empty(); });
  return "chain of " + std::to_string(stages_.size()) + (goes_on ? " with early exits, " : " resolutions, ") + stages_.front().engine->name();
}

std::vector<LayerReport> ExitChain::layers() const {
  std::vector<LayerReport> all;
  for (const StageEngine& stage : stages_) {
    for (auto& layer : stage.engine->layers()) all.push_back(std::move(layer));
  }
  return all;
}

}  // namespace dsc
