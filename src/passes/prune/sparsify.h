// Training before the cut, under a penalty on the units that are about to go: they fade while the others take over.
//
// group_lasso: strength * sum over units of sqrt(elements) * |unit|_2 (Wen et al. 2016, arXiv:1608.03665; over whole
// dependency groups as in Fang et al. 2023, arXiv:2301.12900). growing: factor / 2 * |unit|_2^2 with a factor that rises in
// steps to `strength` at the end (GReg-1 of Wang et al. 2021, arXiv:2012.09243). A unit's elements are those of all weights
// that shrink with it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "train/distill/distillation.h"

namespace dsc::prune {

struct Growing {
  static constexpr const char* kName = "growing";
  double strength = 1;
  std::int64_t every = 10;
  void fields(FieldVisitor& visit);
};
struct GroupLasso {
  static constexpr const char* kName = "group_lasso";
  double strength = 1e-3;
  void fields(FieldVisitor& visit);
};
using Penalty = std::variant<Growing, GroupLasso>;

struct Sparsify {
  Penalty method;
  DistillOptions training{.train = {}, .targets = {.losses = {Labels{}}}};
  void fields(FieldVisitor& visit);
};

// The gradient of a penalty on units, added to that of the loss: works with any optimiser.
class UnitPenalty {
 public:
  // Keeps no reference to the groups.
  UnitPenalty(const ChannelGroups& groups, const Removal& units);
  // step: of `steps` optimiser steps, counted from 0.
  void add_gradient(Executor& executor, const Penalty& penalty, std::int64_t step, std::int64_t steps) const;
  // Mean norm of the units.
  double mean_norm(const Executor& executor) const;

 private:
  // Where units lie in one dimension of a weight: index indices[i] belongs to unit units[i].
  struct Place {
    std::string weight;
    std::int64_t dim = 0, size = 0;
    at::Tensor indices, units;
  };
  at::Tensor norms(const Executor& executor) const;

  std::int64_t unit_count_ = 0;
  std::vector<Place> places_;
  at::Tensor elements_;  // of each unit, f32
};

// Trains with the penalty on `units`. Curve: doomed_norm, the mean norm of the penalised units.
TrainResult sparsify(Model& model, const ChannelGroups& groups, const Removal& units, const Sparsify& options, PassContext& context);

}  // namespace dsc::prune
