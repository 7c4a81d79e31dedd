// What a session does in each step.
#include <ATen/ops/index.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "data/class_dimension.h"
#include "train/distill/fusion.h"
#include "train/distill/losses/scores.h"
#include "train/distill/session.h"

namespace dsc {
namespace {

// Of an output [N, S, ...], where `counts` is [N, S, ...]: which rows of [N * S, ...] count. Undefined: all.
at::Tensor rows_that_count(const at::Tensor& output, const at::Tensor& counts) {
  const bool per_position = counts.defined() && output.dim() > std::max<std::int64_t>(2, counts.dim()) && output.sizes().slice(0, static_cast<std::size_t>(counts.dim())) == counts.sizes();
  return per_position ? (counts != 0).reshape({-1}) : at::Tensor();
}

// Of the positions of losses that need labels those with one, and among tokens those that are no padding.
at::Tensor labelled(const at::Tensor& mask, const at::Tensor& target) {
  const auto has_label = target != kNoLabel;
  return mask.defined() && mask.sizes() == target.sizes() ? (mask != 0).logical_and(has_label) : has_label;
}

// Scores with their classes last; of other outputs nothing is known.
at::Tensor classes_last(const at::Tensor& output, const at::Tensor& target) {
  const bool per_position = target.defined() && !target.is_floating_point() && output.dim() == target.dim() + 1;
  const auto dim = class_dimension(output, per_position ? target : at::Tensor());
  return dim ? output.movedim(*dim, -1) : output;
}

// positions: dimensions that number the rows.
at::Tensor take_rows(const at::Tensor& values, const at::Tensor& rows, std::int64_t positions) {
  return rows.defined() ? at::index(values.flatten(0, positions - 1), {rows}) : values;
}

}  // namespace

void DistillSession::make_sum(const std::string& device) {
  std::vector<LossTerm> terms;
  for (std::size_t i = 0; i < targets_.losses.size(); ++i) {
    const auto& loss = targets_.losses[i];
    std::string name = name_of(loss);
    const auto same = std::ranges::count_if(targets_.losses.begin(), targets_.losses.begin() + static_cast<std::ptrdiff_t>(i),
                                            [&](const auto& other) { return other.index() == loss.index(); });
    if (same > 0) name += "_" + std::to_string(same + 1);
    names_.push_back(name);
    LossTerm term{.name = "loss_" + name, .weight = weight_of(loss), .loss = term_of(loss, i)};
    if (targets_.weighting == Weighting::uncertainty) term.log_variance = at::zeros({}, at::TensorOptions(at::kFloat).device(c10::Device(device))).set_requires_grad(true);
    terms.push_back(std::move(term));
  }
  sum_.emplace(std::move(terms));
}

Objective DistillSession::term_of(const LossConfig& loss, std::size_t index) {
  return std::visit(
      [&]<class Loss>(const Loss& config) -> Objective {
        if constexpr (ComparesScores<Loss>) {
          return [this, &config](const std::vector<at::Tensor>&, const Batch& batch) {
            return score_loss([&config](const ScorePair& pair) { return config.compare(pair); }, requires { requires Loss::kNeedsLabels; }, batch);
          };
        } else if constexpr (ComparesValues<Loss>) {
          return [this, index](const std::vector<at::Tensor>&, const Batch& batch) { return layer_loss(index, batch); };
        } else {
          return supervised_objective(options_.train.label_smoothing, options_.train.label_losses);
        }
      },
      loss);
}

at::Tensor DistillSession::layer_loss(std::size_t index, const Batch& batch) const {
  const auto& terms = layer_losses_[index];
  const auto mask = mask_of(batch);
  const auto shares = fixed_shares(targets_.fusion, teacher_weights());
  at::Tensor sum;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    if (shares[k] == 0) continue;
    const auto part = terms[k].loss(student_readings_, teacher_readings_[k], mask) * shares[k];
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

std::vector<double> DistillSession::teacher_weights() const {
  std::vector<double> weights;
  for (const auto& teacher : teachers_) weights.push_back(teacher.config->weight);
  return weights;
}

at::Tensor DistillSession::score_loss(const ScoreLoss& loss, bool needs_labels, const Batch& batch) const {
  auto counts = mask_of(batch);
  if (needs_labels) counts = labelled(counts, batch.target);
  const std::int64_t positions = counts.defined() ? counts.dim() : 0;
  at::Tensor sum;
  for (std::size_t i = 0; i < targets_.outputs.size(); ++i) {
    const auto whole = classes_last(student_readings_.outputs.at(static_cast<std::size_t>(targets_.outputs[i])), batch.target);
    const auto rows = rows_that_count(whole, counts);
    std::vector<at::Tensor> scores;
    for (const auto& readings : teacher_readings_) scores.push_back(take_rows(classes_last(readings.outputs[i], batch.target), rows, positions));
    const auto shares = fusion_shares(scores, targets_.fusion, teacher_weights());
    ScorePair pair{.student = take_rows(whole, rows, positions),
                   .teacher = [&](double temperature) { return fuse_scores(scores, shares, temperature); },
                   .teacher_mean = [&] { return fuse_outputs(scores, shares); },
                   .share = share_};
    if (needs_labels) pair.labels = take_rows(batch.target, rows, positions);
    const auto part = loss(pair);
    sum = sum.defined() ? sum + part : part;
  }
  return sum / static_cast<double>(targets_.outputs.size());
}

Objective DistillSession::objective() {
  return [this](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    student_readings_.outputs = outputs;
    teacher_readings_ = read_teachers(batch, ranks_);
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
