#include "dscompress/train.h"

#include <ATen/core/grad_mode.h>

#include "exec/executor.h"
#include "train/train.h"
#include "train/training_step.h"

namespace dsc {

Training::Training() : options_(std::make_unique<TrainOptions>()) {}
Training::~Training() = default;
Training::Training(const Training& other) : options_(std::make_unique<TrainOptions>(*other.options_)) {}
Training::Training(Training&&) noexcept = default;
Training& Training::operator=(Training other) {
  options_.swap(other.options_);
  return *this;
}

void Training::fields(FieldVisitor& visit) { options_->fields(visit); }
std::vector<Problem> Training::check(const Model& model) const { return check_frozen(model, *options_); }

PassResult Training::run(Model& model, const Loss& loss, PassContext& context) const {
  if (auto problems = check(model); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  const Objective objective = loss ? Objective([&](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    return loss({.outputs = outputs, .inputs = batch.inputs, .target = batch.target});
  })
                                   : supervised_objective(options_->label_smoothing, options_->label_losses);
  return run_training_step(model, *options_, context, [&](const TrainHooks& hooks) { return train(model, *options_, objective, hooks, context); });
}

struct ModelRunner::State {
  Executor executor;
};
ModelRunner::ModelRunner(const Model& model, const std::string& device) : state_(new State{Executor(model, {.device = device})}) {}
ModelRunner::~ModelRunner() = default;
std::vector<at::Tensor> ModelRunner::run(const std::vector<at::Tensor>& inputs) const {
  const at::NoGradGuard no_grad;
  return state_->executor.run(inputs);
}

}  // namespace dsc
