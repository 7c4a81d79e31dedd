#include "train/distill/fusion.h"

#include <ATen/ops/full.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <numeric>

namespace dsc {
namespace {

at::Tensor entropy(const at::Tensor& scores) {
  const auto log_probabilities = at::log_softmax(scores.to(at::kFloat), -1);
  return -(log_probabilities.exp() * log_probabilities.masked_fill(log_probabilities.isneginf(), 0)).sum(-1, true);
}

}  // namespace

std::vector<double> fixed_shares(Fusion fusion, const std::vector<double>& weights) {
  if (fusion != Fusion::weighted) return std::vector<double>(weights.size(), 1.0 / static_cast<double>(weights.size()));
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> shares;
  for (const double weight : weights) shares.push_back(weight / sum);
  return shares;
}

std::vector<at::Tensor> fusion_shares(const std::vector<at::Tensor>& scores, Fusion fusion, const std::vector<double>& weights) {
  if (fusion == Fusion::confidence) {
    std::vector<at::Tensor> doubts;
    for (const auto& each : scores) doubts.push_back(entropy(each));
    return at::softmax(-at::stack(doubts), 0).unbind(0);
  }
  std::vector<at::Tensor> shares;
  for (const double share : fixed_shares(fusion, weights)) shares.push_back(at::full({1}, share, scores.front().options().dtype(at::kFloat)));
  return shares;
}

at::Tensor fuse_scores(const std::vector<at::Tensor>& scores, const std::vector<at::Tensor>& shares, double temperature) {
  if (scores.size() == 1) return scores.front();
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    parts.push_back(at::log_softmax(scores[i].to(at::kFloat) / temperature, -1) + shares[i].log());
  }
  return at::logsumexp(at::stack(parts), 0) * temperature;
}

at::Tensor fuse_outputs(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& shares) {
  if (outputs.size() == 1) return outputs.front();
  at::Tensor sum;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto output = outputs[i].to(at::kFloat);
    const auto part = at::where(output.isneginf(), output, output * shares[i]);  // a teacher of share 0 masks as the others do
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

}  // namespace dsc
