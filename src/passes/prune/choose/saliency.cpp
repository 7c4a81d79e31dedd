#include "passes/prune/choose/saliency.h"

#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "core/random.h"
#include "data/bad_values.h"
#include "data/dataset.h"
#include "data/move_batch.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "train/parallel.h"
#include "train/train.h"

namespace dsc::prune {

Saliencies measure_saliencies(const Model& model, const ImportanceOptions& options, PassContext& context, std::uint64_t seed) {
  Model copy = model.clone();
  Executor executor(copy, {.training = true, .freeze_batch_norm = true, .device = context.device()});
  BatchLoader loader(context.data(Split::train), {.batch = options.batch, .shuffle = true, .seed = derive_seed(seed, "prune.saliency"),
                                                  .limit = options.batches * options.batch});
  Objective objective = supervised_objective(0);
  Saliencies result;
  for (const std::string& name : executor.parameter_names()) {
    for (auto* terms : {&result.first_order, &result.second_order}) (*terms)[name] = at::zeros_like(executor.weight(name), at::kFloat);
  }
  Ranks& ranks = ranks_of(context);
  Turns turns(ranks);
  while (std::optional<Batch> next = loader.next()) {
    context.check_cancelled();
    if (!turns.next_is_own()) continue;
    const Batch batch = move_batch(std::move(*next), context.device());
    at::Tensor loss = objective(executor.run(batch.inputs), batch);
    if (!std::isfinite(loss.item<double>())) {
      if (const auto cause = find_bad_input(batch, context.data(Split::train).info())) throw Error(ErrorCode::data, "the loss is not finite while measuring importance: " + cause->message, {}, cause->hint);
      throw Error(ErrorCode::numeric, "the loss is not finite while measuring importance");
    }
    loss.backward();
    for (const std::string& name : executor.parameter_names()) {
      at::Tensor weight = executor.weight(name);
      if (!weight.grad().defined()) continue;
      at::Tensor term = (weight.detach() * weight.grad()).to(at::kFloat);
      result.first_order.at(name) += term;
      result.second_order.at(name) += term.square();
      weight.mutable_grad() = at::Tensor();
    }
  }
  std::vector<at::Tensor> sums;
  for (auto* terms : {&result.first_order, &result.second_order}) {
    for (auto& [name, term] : *terms) sums.push_back(term = term.cpu());
  }
  ranks.sum(sums);
  return result;
}

std::vector<double> saliency_by_index(const std::map<std::string, at::Tensor>& terms, const std::string& weight, std::int64_t dim,
                                      std::int64_t size) {
  auto found = terms.find(weight);
  if (found == terms.end()) return std::vector<double>(static_cast<std::size_t>(size), 0.0);
  at::Tensor rows = found->second.transpose(0, dim).reshape({found->second.size(dim), -1});
  at::Tensor scores = rows.sum(1).to(at::kDouble).contiguous();
  return {scores.data_ptr<double>(), scores.data_ptr<double>() + scores.numel()};
}

}  // namespace dsc::prune
