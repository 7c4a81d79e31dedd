// What a session does in each step.
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "train/distill/fusion.h"
#include "train/distill/score_loss.h"
#include "train/distill/session.h"

namespace dsc {

void DistillSession::make_sum(const std::string& device) {
  std::vector<LossTerm> terms;
  for (std::size_t i = 0; i < targets_.losses.size(); ++i) {
    const auto& loss = targets_.losses[i];
    std::string name = name_of(loss);
    const auto same = std::ranges::count_if(targets_.losses.begin(), targets_.losses.begin() + static_cast<std::ptrdiff_t>(i), [&](const auto& other) { return other.index() == loss.index(); });
    if (same > 0) name += "_" + std::to_string(same + 1);
    names_.push_back(name);
    LossTerm term{.name = "loss_" + name, .weight = weight_of(loss), .loss = term_of(loss, i)};
    if (targets_.weighting == Weighting::uncertainty) term.log_variance = at::zeros({}, at::TensorOptions(at::kFloat).device(c10::Device(device))).set_requires_grad(true);
    terms.push_back(std::move(term));
  }
  sum_.emplace(std::move(terms));
}

Objective DistillSession::term_of(const LossConfig& loss, std::size_t index) {
  if (std::holds_alternative<Labels>(loss)) return supervised_objective(options_.train.label_smoothing);
  if (reads_layers(loss)) return [this, index](const std::vector<at::Tensor>&, const Batch& batch) { return layer_loss(index, batch); };
  return [this, &loss](const std::vector<at::Tensor>&, const Batch& batch) { return score_loss(loss, batch); };
}

at::Tensor DistillSession::layer_loss(std::size_t index, const Batch& batch) const {
  const auto& terms = layer_losses_[index];
  const auto mask = mask_of(batch);
  double whole = 0;
  for (const auto& teacher : teachers_) whole += targets_.fusion == Fusion::weighted ? teacher.config->weight : 1;
  at::Tensor sum;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const double share = (targets_.fusion == Fusion::weighted ? teachers_[k].config->weight : 1) / whole;
    if (share == 0) continue;
    const auto part = terms[k].loss(student_readings_, teacher_readings_[k], mask) * share;
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

at::Tensor DistillSession::score_loss(const LossConfig& loss, const Batch& batch) const {
  std::vector<double> weights;
  for (const auto& teacher : teachers_) weights.push_back(teacher.config->weight);
  at::Tensor sum;
  for (std::size_t i = 0; i < targets_.outputs.size(); ++i) {
    const auto& student = student_readings_.outputs.at(static_cast<std::size_t>(targets_.outputs[i]));
    std::vector<at::Tensor> scores;
    for (const auto& readings : teacher_readings_) scores.push_back(readings.outputs[i]);
    const auto shares = fusion_shares(scores, targets_.fusion, weights);
    const auto fused = [&](double temperature) { return fuse_scores(scores, shares, temperature); };
    at::Tensor part;
    if (const auto* kd = std::get_if<Kd>(&loss)) {
      const double t = kd->temperature.at(share_);
      part = soft_target_loss(student, fused(t), t);
    } else if (const auto* dkd = std::get_if<Dkd>(&loss)) {
      const double t = dkd->temperature.at(share_);
      part = decoupled_loss(student, fused(t), batch.target, dkd->target_weight, dkd->rest_weight, t);
    } else if (const auto* dist = std::get_if<Dist>(&loss)) {
      const double t = dist->temperature.at(share_);
      part = relation_loss(student, fused(t), dist->class_weight, dist->example_weight, t);
    } else {
      part = at::mse_loss(student.to(at::kFloat), fuse_outputs(scores, shares).to(at::kFloat));
    }
    sum = sum.defined() ? sum + part : part;
  }
  return sum / static_cast<double>(targets_.outputs.size());
}

Objective DistillSession::objective() {
  return [this](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    student_readings_.outputs = outputs;
    teacher_readings_ = read_teachers(batch);
    auto loss = (*sum_)(outputs, batch);
    student_readings_ = {};  // lets go of the graph
    student_readings_.taps.resize(student_taps_.names().size());
    return loss;
  };
}

void DistillSession::add_hooks(TrainHooks& hooks) {
  student_readings_.taps.resize(student_taps_.names().size());
  hooks.taps = student_taps_.names();
  hooks.tap = [this](const std::string& value, const at::Tensor& tensor) { student_readings_.taps[student_taps_.add(value)] = tensor; };
  for (std::size_t i = 0; i < layer_losses_.size(); ++i) {
    for (std::size_t k = 0; k < layer_losses_[i].size(); ++k) {
      for (auto& [name, tensor] : layer_losses_[i][k].parameters()) hooks.extra_parameters.emplace_back(names_[i] + "." + std::to_string(k) + "." + name, tensor);
    }
  }
  for (auto& [name, tensor] : sum_->learned()) hooks.extra_parameters.emplace_back(name, tensor);
  hooks.before_step = [this, others = std::move(hooks.before_step)](Executor& executor, std::int64_t step, std::int64_t steps) {
    share_ = steps > 1 ? static_cast<double>(step) / static_cast<double>(steps - 1) : 0;
    sum_->set_share(share_);
    if (others) others(executor, step, steps);
  };
  hooks.after_epoch = [this, others = std::move(hooks.after_epoch)](Executor& executor, std::int64_t epoch) {
    auto values = sum_->take_means();
    if (others) values.merge(others(executor, epoch));
    return values;
  };
}

}  // namespace dsc
