#include "passes/prune/sparsify.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace dsc::prune {
namespace {

// `vector` along dimension `dim` of a tensor with so many dimensions.
at::Tensor along(const at::Tensor& vector, std::int64_t dim, std::int64_t rank) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rank), 1);
  shape[static_cast<std::size_t>(dim)] = vector.size(0);
  return vector.reshape(shape);
}

double growing_factor(const Growing& growing, std::int64_t step, std::int64_t steps) {
  double reached = static_cast<double>((step / growing.every + 1) * growing.every) / static_cast<double>(std::max<std::int64_t>(1, steps));
  return growing.strength * std::min(1.0, reached);
}

}  // namespace

void Growing::fields(FieldVisitor& visit) {
  visit("strength", strength, {.text = "Factor of the penalty at the end.", .minimum = 0});
  visit("every", every, {.text = "Optimiser steps between its rises.", .unit = "steps", .minimum = 1});
}
void GroupLasso::fields(FieldVisitor& visit) { visit("strength", strength, {.text = "Factor of the penalty.", .minimum = 0}); }

void Sparsify::fields(FieldVisitor& visit) {
  visit("method", method, {.text = "Penalty on the channels that are about to go."});
  training.fields(visit);
}

UnitPenalty::UnitPenalty(const ChannelGroups& groups, const Removal& units) {
  std::vector<std::int64_t> number(units.size(), -1);
  for (std::size_t unit = 0; unit < units.size(); ++unit) {
    if (units[unit]) number[unit] = unit_count_++;
  }
  std::vector<float> elements(static_cast<std::size_t>(unit_count_), 0);
  for (const Member& member : groups.members()) {
    std::vector<std::int64_t> at, of;
    std::span<const std::int32_t> labels = groups.labels(member.axis);
    for (std::size_t k = 0; k < labels.size(); ++k) {
      for (UnitId unit : groups.units(labels[k])) {
        if (number[static_cast<std::size_t>(unit)] < 0) continue;
        at.push_back(static_cast<std::int64_t>(k));
        of.push_back(number[static_cast<std::size_t>(unit)]);
      }
    }
    const TensorType& type = member.value->tensor();
    if (at.empty() || !type.requires_grad) continue;
    double slice = 1;
    for (std::int64_t d = 0; d < type.rank(); ++d) slice *= d == member.dim ? 1.0 : static_cast<double>(type.sizes[static_cast<std::size_t>(d)].size);
    for (std::int64_t unit : of) elements[static_cast<std::size_t>(unit)] += static_cast<float>(slice);
    places_.push_back({member.weight, member.dim, static_cast<std::int64_t>(labels.size()), at::tensor(at, at::kLong), at::tensor(of, at::kLong)});
  }
  elements_ = at::tensor(elements, at::kFloat);
}

at::Tensor UnitPenalty::norms(const Executor& executor) const {
  at::Tensor squares;
  for (const Place& place : places_) {
    at::Tensor weight = executor.weight(place.weight).detach().to(at::kFloat);
    if (!squares.defined()) squares = at::zeros({unit_count_}, weight.options());
    at::Tensor by_index = weight.square().transpose(0, place.dim).reshape({place.size, -1}).sum(1);
    squares.index_add_(0, place.units.to(weight.device()), by_index.index_select(0, place.indices.to(weight.device())));
  }
  return squares.sqrt();
}

void UnitPenalty::add_gradient(Executor& executor, const Penalty& penalty, std::int64_t step, std::int64_t steps) const {
  if (places_.empty()) return;
  c10::NoGradGuard no_grad;
  at::Tensor factors;  // the gradient is factor * weight
  if (const auto* growing = std::get_if<Growing>(&penalty)) {
    factors = at::zeros({unit_count_}) + growing_factor(*growing, step, steps);
  } else {
    at::Tensor norm = norms(executor);
    factors = std::get<GroupLasso>(penalty).strength * elements_.to(norm.device()).sqrt() / (norm + 1e-8);
  }
  for (const Place& place : places_) {
    at::Tensor weight = executor.weight(place.weight);
    if (!weight.grad().defined()) continue;
    factors = factors.to(weight.device());
    at::Tensor by_index = at::zeros({place.size}, factors.options());
    by_index.index_add_(0, place.indices.to(weight.device()), factors.index_select(0, place.units.to(weight.device())));
    weight.mutable_grad().addcmul_(weight.detach(), along(by_index, place.dim, weight.dim()).to(weight.scalar_type()));
  }
}

double UnitPenalty::mean_norm(const Executor& executor) const {
  c10::NoGradGuard no_grad;
  return places_.empty() ? 0 : norms(executor).mean().item<double>();
}

TrainResult sparsify(Model& model, const ChannelGroups& groups, const Removal& units, const Sparsify& options, PassContext& context) {
  const UnitPenalty penalty(groups, units);
  std::int64_t all_steps = 1;
  TrainHooks hooks;
  hooks.curve_prefix = "sparsify/";
  hooks.before_step = [&](Executor&, std::int64_t, std::int64_t steps) { all_steps = steps; };
  hooks.after_backward = [&](Executor& executor, std::int64_t step) { penalty.add_gradient(executor, options.method, step, all_steps); };
  hooks.after_epoch = [&](Executor& executor, std::int64_t) { return std::map<std::string, double>{{"doomed_norm", penalty.mean_norm(executor)}}; };
  return distill(model, options.training, hooks, context, "/sparsify");
}

}  // namespace dsc::prune
