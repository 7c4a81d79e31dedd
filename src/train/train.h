// The training loop: the base of every pass that trains.
//
// Goals: exactly repeatable (order, augmentation and dropout of an epoch follow from the step's seed and the epoch's
// number alone, so a run killed after any epoch goes on to the same bytes), no more work per step than PyTorch's loop, any
// objective and any trainable tensors beside the model's own. Non-goals: passes' ideas; they come in through TrainHooks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attack/attack.h"
#include "data/dataset.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace dsc {

// Which weights a training ends with.
enum class KeepWeights : std::uint8_t { last, best };
std::span<const std::string_view> enum_names(KeepWeights);

// Whether to compute in bf16; automatic: where the device has instructions for it (exec/native_bf16.h).
enum class Bf16 : std::uint8_t { automatic, on, off };
std::span<const std::string_view> enum_names(Bf16);

// What every training pass can set; a pass's own options struct holds one and calls its `fields` inside its own.
struct TrainOptions {
  double epochs = 1;                 // may be a fraction
  std::int64_t batch = 128;          // a last smaller batch is left out, unless it is the only one
  OptimizerConfig optimizer = Sgd{};
  ScheduleConfig schedule = CosineLr{};
  double warmup_epochs = 0;
  std::vector<LabelLoss> label_losses;  // on labels, summed; empty: the labels decide (supervised_objective)
  double label_smoothing = 0;           // of cross-entropy
  std::optional<double> clip_norm;
  std::optional<double> weight_ema;  // decay per step, e.g. 0.999; the averaged weights are the result
  std::int64_t accumulate = 1;       // batches per optimiser step
  Bf16 bf16 = Bf16::automatic;       // autocast
  bool channels_last = true;         // NHWC memory for models with inputs of rank 4: the faster layout for convolutions
  std::int64_t workers = LoaderOptions{}.workers;
  std::int64_t validate_every = 1;   // epochs; 0: never
  KeepWeights keep = KeepWeights::last;
  std::string monitor;               // metric that decides what is best; empty: top1, else the only one
  std::int64_t patience = 0;         // validations without a better value before the training stops; 0: no early stop
  std::optional<Attack> adversarial; // train on pictures that this attack changes (Madry et al. 2018, arXiv:1706.06083)
  std::vector<std::string> freeze, train_only;  // selectors (select_parameters); at most one of them
  void fields(FieldVisitor& visit);
};

// What a pass may add to the loop; every member may be empty.
struct TrainHooks {
  ExecutorOptions executor = {};  // `training`, autocast, memory format and device are set by the loop
  std::string curve_prefix;       // of curves; also tells apart the random numbers of several trainings in one step
  std::vector<std::string> frozen;                                   // more parameters left as they are, with their batch norms
  std::vector<std::pair<std::string, at::Tensor>> extra_parameters;  // leaves to train beside the model's own
  OptimizerState optimizer_state;                                    // to start from (see keep_state)
  std::vector<std::string> taps;                                     // values handed to `tap` in every forward run
  std::function<void(const std::string& value, const at::Tensor& tensor)> tap;
  std::function<void(Executor&, std::int64_t epoch)> before_epoch;
  std::function<void(Executor&, std::int64_t step, std::int64_t steps)> before_step;
  std::function<void(Executor&, std::int64_t step)> after_backward;  // gradients are there; e.g. regularisation
  std::function<std::map<std::string, double>(Executor&, std::int64_t epoch)> after_epoch;  // more curves' values
  std::function<double(std::int64_t step, std::int64_t steps)> lr_factor;                    // of the schedule's learning rate
  // Factor of the weight decay, from the monitored metric of the validations so far, turned so that smaller is better.
  // Needs a validation split.
  std::function<double(const std::vector<double>& validations)> decay_factor;
};

struct TrainResult {
  std::int64_t steps = 0;
  double final_loss = 0;          // mean over the last epoch
  Metrics valid;                  // of the weights kept; empty without a valid split
  double best_epoch = 0;          // of `keep: best`: when they were made
  bool stopped_early = false;
  double examples_per_second = 0; // of this process's epochs
  OptimizerState optimizer_state; // no field
  void fields(FieldVisitor& visit);
};
// For a stage's text, so that a pass finished earlier still reports its figures.
std::string to_text(const TrainResult& result);
TrainResult parse_train_result(const std::string& text);
std::vector<Statistic> statistics_of(const TrainResult& result);

// Whether a training with these options computes in bf16 on a device.
bool uses_bf16(const TrainOptions& options, const std::string& device);

// Batch norms of vectors have no statistics in a batch of one: no spread, and 0 / 0 as the unbiased variance.
// frozen: parameters whose batch norms stay as in evaluation. errors: data, naming the first such batch norm.
void check_batch_norms(const Graph& graph, std::int64_t batch, const std::set<std::string>& frozen = {});

// Whether a training with these options holds the tensors of this graph in NHWC memory.
bool uses_channels_last(const TrainOptions& options, const Graph& graph);

// Trains all floating-point parameters of `model` on Split::train inside the current stage: saves after every epoch,
// goes on where a saved state ends, reports curves and progress. An epoch's curve points precede its save, which keeps them.
// errors: numeric when the loss or a weight is not finite (epoch, step, learning rate and remedy named); cancelled;
// recipe when `keep: best` or `patience` lack a validation split or metric, or nothing is left to train; data.
TrainResult train(Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks,
                  PassContext& context);

// Problems of module selectors, and the parameters they name: a selector is a glob over module paths, which stands for
// everything inside that module, or over parameter names.
std::vector<Problem> check_selectors(const Model& model, const std::vector<std::string>& selectors, std::string_view option);
std::vector<std::string> select_parameters(const Model& model, const std::vector<std::string>& selectors);
// What `freeze` and `train_only` leave as it is, and what is wrong with them.
std::vector<std::string> frozen_parameters(const Model& model, const TrainOptions& options);
std::vector<Problem> check_frozen(const Model& model, const TrainOptions& options);

}  // namespace dsc
