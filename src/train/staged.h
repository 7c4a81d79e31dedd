// Staged recovery: a cut network trains part by part, from one end, at a low rate first.
//
// The layers, in the order the graph runs them, are split into stages. The first stage trains from the start, the others
// join one after another over the first `share` of the training, while the learning rate rises from `start_lr_fraction` of
// the schedule's to all of it. Weight decay follows the validation loss: a validation worse than the one before multiplies
// it by `decay_factor`, a better one divides it again, never below 1 or above `decay_limit` times what the optimiser says.
// Batch norms of waiting layers keep following the data.
// source: gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146, section 3.3.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"
#include "train/train.h"

namespace dsc {

enum class StageOrder : std::uint8_t { shallow_to_deep, deep_to_shallow };
std::span<const std::string_view> enum_names(StageOrder);

struct StagedOptions {
  StageOrder order = StageOrder::shallow_to_deep;
  std::int64_t stages = 4;
  double share = 0.5;
  double start_lr_fraction = 0.1;
  double decay_factor = 1.5, decay_limit = 10;
  void fields(FieldVisitor& visit);
};

// Parameters that are not frozen, by stage; a stage's layers lie together in the graph. Fewer stages where layers are few.
std::vector<std::vector<std::string>> parameter_stages(const Model& model, const StagedOptions& options, const std::vector<std::string>& frozen);

// Stages that train at a step of so many.
std::int64_t open_stages(const StagedOptions& options, std::int64_t stages, std::int64_t step, std::int64_t steps);
// Factor of the learning rate at a step.
double staged_lr_factor(const StagedOptions& options, std::int64_t step, std::int64_t steps);
// Factor of the weight decay after these validations (smaller is better).
double staged_decay_factor(const StagedOptions& options, const std::vector<double>& validations);

// Makes a training staged. The parameters are those of `model`, less hooks.frozen.
void add_stages(const Model& model, const StagedOptions& options, TrainHooks& hooks);

}  // namespace dsc
