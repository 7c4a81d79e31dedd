#include "train/loss.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>

#include <cmath>
#include <optional>
#include <utility>

#include "data/class_dimension.h"
#include "data/matching_output.h"
#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

[[noreturn]] void throw_shapes(const at::Tensor& output, const at::Tensor& target) {
  throw Error(ErrorCode::data, "the model's output " + describe_sizes(output) + " does not fit the labels " + describe_sizes(target));
}

// Scores as [positions, classes] and labels as [positions], or unchanged where classes are in dimension 1 of more than two.
std::pair<at::Tensor, at::Tensor> with_class_dimension(const at::Tensor& output, const at::Tensor& target) {
  const auto dim = class_dimension(output, target);
  if (!dim) throw_shapes(output, target);
  if (*dim == 1) return {output, target};
  return {output.reshape({-1, output.size(-1)}), target.reshape({-1})};
}

// On other devices the kernel itself refuses wrong labels; looking at them here would wait for the device.
void check_labels(const at::Tensor& target, std::int64_t classes, const Batch& batch) {
  if (!target.is_cpu()) return;
  const auto labels = target.contiguous();
  const auto* data = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if ((data[i] >= 0 && data[i] < classes) || data[i] == kNoLabel) continue;
    const auto example = static_cast<std::size_t>(i / std::max<std::int64_t>(labels.numel() / batch.target.size(0), 1));
    const auto where = example < batch.indices.size() ? " of example " + std::to_string(batch.indices[example]) : std::string();
    throw Error(ErrorCode::data, "label " + std::to_string(data[i]) + where + " is out of range: the model has " +
                                     std::to_string(classes) + " classes, counted from 0");
  }
}

// Against shares of classes; a model may have more classes than the data.
at::Tensor soft_loss(const at::Tensor& scores, const at::Tensor& shares, double label_smoothing) {
  if (scores.dim() != 2 || scores.size(0) != shares.size(0) || scores.size(1) < shares.size(1)) throw_shapes(scores, shares);
  const auto target = at::constant_pad_nd(shares, {0, scores.size(1) - shares.size(1)});
  return at::cross_entropy_loss(scores, target, {}, at::Reduction::Mean, kNoLabel, label_smoothing);
}

at::Tensor supervised_loss(const at::Tensor& raw_output, const Batch& batch, double label_smoothing) {
  if (!batch.target.defined()) {
    throw Error(ErrorCode::data, "supervised training needs labels, and the training data has none", {},
                "name the label column in data.train, or train without labels (distill without the loss `labels`)");
  }
  const auto output = raw_output.to(at::kFloat);
  if (batch.soft_target) return soft_loss(output, batch.target, label_smoothing);
  if (batch.target.is_floating_point()) {
    if (output.numel() != batch.target.numel()) throw_shapes(output, batch.target);
    return at::mse_loss(output.reshape(batch.target.sizes()), batch.target);
  }
  const auto [scores, labels] = with_class_dimension(output, batch.target);
  check_labels(labels, scores.size(1), batch);
  return at::cross_entropy_loss(scores, labels, {}, at::Reduction::Mean, kNoLabel, label_smoothing);
}

}  // namespace

Objective supervised_objective(double label_smoothing) {
  return [label_smoothing](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    return supervised_loss(matching_output(outputs, batch.target), batch, label_smoothing);
  };
}

struct LossSum::State {
  std::vector<LossTerm> terms;
  std::vector<at::Tensor> sums;  // on the device, so that no step waits for it
  std::int64_t count = 0;
  double share = 0;

  at::Tensor weighted(const LossTerm& term, const at::Tensor& loss) const {
    const auto part = loss * term.weight.at(share);
    return term.log_variance.defined() ? part * (-term.log_variance).exp() + term.log_variance / 2 : part;
  }
};

LossSum::LossSum(std::vector<LossTerm> terms) : state_(std::make_shared<State>()) {
  std::erase_if(terms, [](const LossTerm& term) { return term.weight.at(0) == 0 && term.weight.at(1) == 0; });
  state_->sums.resize(terms.size());
  state_->terms = std::move(terms);
}

at::Tensor LossSum::operator()(const std::vector<at::Tensor>& outputs, const Batch& batch) const {
  at::Tensor total;
  for (std::size_t i = 0; i < state_->terms.size(); ++i) {
    const auto& term = state_->terms[i];
    const auto loss = term.loss(outputs, batch);
    const auto part = loss.detach().to(at::kDouble);
    state_->sums[i] = state_->sums[i].defined() ? state_->sums[i] + part : part;
    const auto weighted = state_->weighted(term, loss);
    total = total.defined() ? total + weighted : weighted;
  }
  ++state_->count;
  return total;
}

void LossSum::set_share(double share) const { state_->share = share; }

std::vector<std::pair<std::string, at::Tensor>> LossSum::learned() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& term : state_->terms) {
    if (term.log_variance.defined()) tensors.emplace_back("log_variance." + term.name, term.log_variance);
  }
  return tensors;
}

std::map<std::string, double> LossSum::take_means() const {
  std::map<std::string, double> means;
  for (std::size_t i = 0; i < state_->terms.size(); ++i) {
    const auto& term = state_->terms[i];
    if (state_->count > 0) means[term.name] = state_->sums[i].item<double>() / static_cast<double>(state_->count);
    state_->sums[i].reset();
    if (!term.weight.to && !term.log_variance.defined()) continue;
    const double learned = term.log_variance.defined() ? std::exp(-term.log_variance.item<double>()) : 1;
    means["weight_" + term.name.substr(term.name.find('_') + 1)] = term.weight.at(state_->share) * learned;
  }
  state_->count = 0;
  return means;
}

}  // namespace dsc
