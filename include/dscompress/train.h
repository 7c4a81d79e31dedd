// For plugins that train with a loss of their own. Optimisers, schedules, precision, resumption, several processes and progress
// are those of the pass `finetune`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dscompress/pass.h"

namespace dsc {

struct TrainOptions;

// What a loss is made of: a batch as the data set gives it.
struct LossInput {
  const std::vector<at::Tensor>& outputs;  // of the model, with gradients
  const std::vector<at::Tensor>& inputs;   // in the order of the model's
  const at::Tensor& target;                // [N] i64 class numbers or [N, ...] f32; undefined for unlabelled data
};
// A scalar with gradient. In several processes each computes it over the whole batch.
using Loss = std::function<at::Tensor(const LossInput& input)>;

// The options of `finetune` but `staged` and `lora`. A plugin's own options hold one and call its `fields`; its pass needs
// Need::train_data.
class Training {
 public:
  Training();
  ~Training();
  Training(const Training&);
  Training(Training&&) noexcept;
  Training& operator=(Training);
  void fields(FieldVisitor& visit);
  std::vector<Problem> check(const Model& model) const;
  // Trains as a stage "train" of the step, so that a run that was killed goes on. loss: empty for `finetune`'s own.
  PassResult run(Model& model, const Loss& loss, PassContext& context) const;

 private:
  std::unique_ptr<TrainOptions> options_;
};

// Computes a model's outputs, without gradients: a teacher's, say. The model must stay as it is, and alive.
class ModelRunner {
 public:
  // device: PassContext::device(). errors: unsupported, for operators that the dispatcher does not know.
  ModelRunner(const Model& model, const std::string& device);
  ~ModelRunner();
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) const;  // errors: data

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dsc
