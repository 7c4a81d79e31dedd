// The training loop: the base of every pass that trains.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "data/dataset.h"
#include "dscompress/pass.h"
#include "exec/executor.h"

namespace dsc {

struct Sgd {
  static constexpr const char* kName = "sgd";
  double lr = 0.1, momentum = 0.9, weight_decay = 5e-4;
  bool nesterov = false;
  void fields(FieldVisitor& visit);
};
struct Adam {
  static constexpr const char* kName = "adam";
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  void fields(FieldVisitor& visit);
};
struct AdamW {
  static constexpr const char* kName = "adamw";
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
  void fields(FieldVisitor& visit);
};
using OptimizerConfig = std::variant<Sgd, Adam, AdamW>;

struct ConstantLr { static constexpr const char* kName = "constant"; void fields(FieldVisitor& visit); };
struct CosineLr { static constexpr const char* kName = "cosine"; double final_fraction = 0; void fields(FieldVisitor& visit); };
struct LinearLr { static constexpr const char* kName = "linear"; double final_fraction = 0; void fields(FieldVisitor& visit); };
struct StepLr {
  static constexpr const char* kName = "step";
  std::vector<double> at;  // shares of the training, e.g. [0.5, 0.75]
  double factor = 0.1;
  void fields(FieldVisitor& visit);
};
struct OneCycleLr { static constexpr const char* kName = "one_cycle"; double peak_at = 0.3, start_fraction = 0.04, final_fraction = 1e-4; void fields(FieldVisitor& visit); };
using ScheduleConfig = std::variant<CosineLr, ConstantLr, LinearLr, StepLr, OneCycleLr>;

// What every training pass can set; a pass's own options struct calls `visit_training` inside its `fields`.
struct TrainOptions {
  double epochs = 1;                 // may be a fraction
  std::int64_t batch = 128;
  OptimizerConfig optimizer = Sgd{};
  ScheduleConfig schedule = CosineLr{};
  double warmup_epochs = 0;
  double label_smoothing = 0;
  std::optional<double> clip_norm;
  std::optional<double> weight_ema;  // decay per step, e.g. 0.999; the averaged weights are the result
  std::int64_t accumulate = 1;
  bool bf16 = false;                 // autocast
  std::int64_t workers = 1;
  std::int64_t validate_every = 1;   // epochs; 0: never
  void fields(FieldVisitor& visit);
};

// Learning rate at a point of the training. position, warmup: in epochs.
double learning_rate(const ScheduleConfig& schedule, double base_lr, double position, double epochs, double warmup);

// The optimiser: a state per parameter name. After a pass has shrunk parameters, `keep` cuts the state alike.
class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, const std::vector<std::string>& names);
  ~Optimizer();
  void step(Executor& executor, double lr);                   // uses and then clears the gradients
  std::map<std::string, at::Tensor> state() const;            // for SavedState, keys "momentum/conv1.weight"
  void load(const std::map<std::string, at::Tensor>& state);  // errors: internal, for shapes that do not fit
  double base_lr() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Computes the loss of one batch from the model's outputs (a scalar tensor with gradient).
using Objective = std::function<at::Tensor(const std::vector<at::Tensor>& outputs, const Batch& batch)>;
// Cross-entropy for i64 targets (with label smoothing), mean squared error for floating-point ones.
Objective supervised_objective(double label_smoothing);

// What a pass may add to the loop; every member may be empty.
struct TrainHooks {
  ExecutorOptions executor = {};     // `training`, autocast and device are set by the loop
  std::function<void(Executor&, std::int64_t step, std::int64_t steps)> before_step;
  std::function<void(Executor&, std::int64_t step)> after_backward;  // gradients are there; e.g. regularisation
  std::function<void(Executor&, std::int64_t epoch)> before_epoch;
  std::string curve_prefix;
};

struct TrainResult {
  std::int64_t steps = 0;
  double final_loss = 0;
  Metrics valid;                  // after the last epoch; empty without a valid split
  double examples_per_second = 0;
};

// Trains all floating-point parameters of `model` on Split::train inside the current stage: saves after every epoch,
// goes on where a saved state ends, reports curves and progress.
// errors: numeric when the loss is not finite (epoch, step, learning rate and remedy named); cancelled.
TrainResult train(Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks,
                  PassContext& context);

}  // namespace dsc
