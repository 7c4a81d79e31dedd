#include "train/loss.h"

#include <cmath>
#include <optional>
#include <utility>

namespace dsc {

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
