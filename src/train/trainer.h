// The state machine behind train(): one object per training, saved and restored between epochs.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attack/adversary.h"
#include "parallel/batch_rows.h"
#include "train/average.h"
#include "train/gradient_sums.h"
#include "train/loss_log.h"
#include "train/monitor.h"
#include "train/parallel.h"
#include "train/train.h"

namespace dsc {

// How many batches and optimiser steps there are.
struct TrainPlan {
  std::int64_t batches = 0;          // per epoch
  std::int64_t steps_per_epoch = 0;  // of the optimiser
  std::int64_t steps = 0;            // in all; the last epoch may be cut short
  std::int64_t epochs = 0;           // begun
  bool drop_last = false;
};
// A smaller last batch is dropped (each epoch leaves out other examples; batch norm never sees a batch of one), unless
// the data set is smaller than a batch. The batches of an epoch that do not fill `accumulate` make a smaller step.
TrainPlan plan_training(std::int64_t examples, std::int64_t batch, const TrainOptions& options);

// Whether something watches a metric, and then that there is one to watch. errors: recipe.
bool needs_monitor(const TrainOptions& options);
// Whether batch norms and a fixed batch can do with the training data. errors: data.
void check_batches(const Model& model, const TrainOptions& options, const TrainHooks& hooks, PassContext& context);
// Whether an attack can change the training data. errors: data.
void check_adversarial(const TrainOptions& options, PassContext& context);
// Whether batches can be cut into parts, where the run has several processes. errors: recipe.
void check_processes(const Model& model, const TrainOptions& options, PassContext& context);
void check_monitor(const Model& model, const TrainOptions& options, const TrainHooks& hooks, PassContext& context);

// What is known after an epoch, besides tensors.
struct TrainProgress {
  std::int64_t epoch = 0, step = 0;  // finished
  double loss = 0;
  Metrics valid, best_valid;
  Monitor monitor;
  std::vector<double> validations;  // of the monitored metric, smaller is better; for TrainHooks::decay_factor
  bool stopped = false;
  void fields(FieldVisitor& visit);  // but `epoch`, which is the saved state's position
};
std::string to_text(const TrainProgress& progress);
TrainProgress parse_train_progress(const std::string& text);

class Trainer {
 public:
  Trainer(Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks, PassContext& context);
  TrainResult run();
  const TrainPlan& plan() const { return plan_; }
  // The time of an optimiser step, from a few batches at learning rate 0. Only before or instead of run().
  double measure_seconds_per_step();

 private:
  // setup.cpp: before the first epoch, and between epochs
  void restore_or_start();
  void make_executor();
  void load_tensors(const std::map<std::string, at::Tensor>& tensors);
  SavedState saved_state() const;
  // forecast.cpp: instead of the epochs
  double train_one_batch(BatchLoader& loader, LossLog& losses);
  // trainer.cpp
  void train_epoch();
  void accumulate_gradients(BatchLoader& loader, LossLog& losses, std::int64_t batches, double lr);
  std::unique_ptr<GradientSums> gradient_sums() const;
  void update_weights(double lr);
  std::vector<at::Tensor> forward(const Batch& batch);
  std::vector<at::Tensor> inputs_of(const Batch& batch, const BatchRows& rows);
  void throw_other_cause(const std::vector<std::int64_t>& examples);  // of a loss that is not finite
  double learning_rate_now() const;
  void finish_epoch();
  void validate(double epoch);
  void check_weights() const;
  void report_progress();
  TrainResult finish();

  void curve(const std::string& name, double epoch, double value) { context_.curve({hooks_.curve_prefix + name, epoch, value}); }
  std::vector<at::Tensor> parameters() const;  // trained ones: the model's, then the extra ones
  Model averaged_model() const;

  Model& model_;
  const TrainOptions& options_;
  const Objective& objective_;
  const TrainHooks& hooks_;
  PassContext& context_;
  Ranks& ranks_;
  const Dataset& data_;
  TrainPlan plan_;
  TrainProgress progress_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Adversary> adversary_;  // null: the network trains on the data as it is
  bool channels_last_ = false;
  std::vector<const Value*> taps_;
  std::vector<std::string> names_;  // of the model's trained parameters
  std::optional<Optimizer> optimizer_;
  std::optional<WeightAverage> average_;
  std::map<std::string, at::Tensor> best_;  // all weights, for `keep: best`
  std::chrono::steady_clock::time_point last_report_{};
  double seconds_ = 0;
  std::int64_t examples_ = 0;
};

}  // namespace dsc
