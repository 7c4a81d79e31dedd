#include "train/distillation.h"

#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "train/distill_loss.h"

namespace dsc {
namespace {

void visit_temperature(double& value, FieldVisitor& visit) {
  visit("temperature", value, {.text = "Softens both networks' scores.", .minimum = 0.01, .maximum = 100});
}

std::string shape_text(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes();
  return text.str();
}

// The reference network, run beside the student.
class Teacher {
 public:
  Teacher(const Model& model, const TrainOptions& options, const std::string& device) {
    ExecutorOptions executor;
    executor.device = device;
    executor.channels_last = uses_channels_last(options, model.graph);
    if (options.bf16) executor.autocast = ScalarType::bf16;
    executor_ = std::make_shared<Executor>(model, executor);
  }
  at::Tensor scores(const Batch& batch) const {
    c10::NoGradGuard no_grad;
    return executor_->run(batch.inputs).at(0);
  }

 private:
  std::shared_ptr<Executor> executor_;
};

at::Tensor distillation_loss(const Kd& c, const at::Tensor& student, const at::Tensor& teacher, const Batch&) {
  return soft_target_loss(student, teacher, c.temperature);
}
at::Tensor distillation_loss(const Dkd& c, const at::Tensor& student, const at::Tensor& teacher, const Batch& batch) {
  return decoupled_loss(student, teacher, batch.target, c.target_weight, c.rest_weight, c.temperature);
}
at::Tensor distillation_loss(const Dist& c, const at::Tensor& student, const at::Tensor& teacher, const Batch&) {
  return relation_loss(student, teacher, c.class_weight, c.example_weight, c.temperature);
}

// Before anything is trained: both networks take this data and give scores of one shape, and labels are there if needed.
void check_on_data(const Model& student, const Teacher& teacher, const DistillOptions& options, PassContext& context) {
  auto& data = context.data(Split::train);
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min<std::int64_t>(2, data.size())));
  std::iota(indices.begin(), indices.end(), 0);
  auto batch = data.batch(indices, std::nullopt);
  Executor executor(student, {.device = context.device()});
  c10::NoGradGuard no_grad;
  const auto a = executor.run(batch.inputs).at(0), b = teacher.scores(batch);
  if (a.sizes() != b.sizes()) {
    throw Error(ErrorCode::data, "the student's output " + shape_text(a) + " and the teacher's " + shape_text(b) + " differ in shape", {},
                "name a teacher with the same classes");
  }
  const bool class_labels = batch.target.defined() && !batch.target.is_floating_point();
  if (std::holds_alternative<Dkd>(options.loss) && !class_labels) {
    throw Error(ErrorCode::data, "loss: dkd needs class labels, and the training data has none", {}, "use loss: kd or loss: dist");
  }
  if (options.alpha < 1 && !batch.target.defined()) {
    throw Error(ErrorCode::data, "the supervised part of the loss needs labels, and the training data has none", {},
                "set alpha: 1 to train on the teacher's scores alone");
  }
}

}  // namespace

void Kd::fields(FieldVisitor& visit) { visit_temperature(temperature, visit); }
void Dkd::fields(FieldVisitor& visit) {
  visit("target_weight", target_weight, {.text = "Weight of the part on the target class (the paper's alpha).", .minimum = 0});
  visit("rest_weight", rest_weight, {.text = "Weight of the part on the other classes (the paper's beta).", .minimum = 0});
  visit_temperature(temperature, visit);
}
void Dist::fields(FieldVisitor& visit) {
  visit("class_weight", class_weight, {.text = "Weight of the correlation over classes (the paper's beta).", .minimum = 0});
  visit("example_weight", example_weight, {.text = "Weight of the correlation over examples (the paper's gamma).", .minimum = 0});
  visit_temperature(temperature, visit);
}

void DistillOptions::fields(FieldVisitor& visit) {
  train.fields(visit);
  visit("loss", loss, {.text = "Distillation loss."});
  visit("alpha", alpha, {.text = "Share of the distillation loss; the rest is the supervised loss. 1: no labels needed.",
                         .unit = "fraction", .minimum = 0, .maximum = 1});
}

TrainResult distill(Model& student, const DistillOptions& options, TrainHooks hooks, PassContext& context) {
  const Teacher teacher(context.teacher(), options.train, context.device());
  check_on_data(student, teacher, options, context);
  const auto distillation = [&](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    const auto scores = teacher.scores(batch);
    return std::visit([&](const auto& c) { return distillation_loss(c, outputs.at(0), scores, batch); }, options.loss);
  };
  const LossSum loss({{"loss_distill", options.alpha, distillation},
                      {"loss_supervised", 1 - options.alpha, supervised_objective(options.train.label_smoothing)}});
  hooks.after_epoch = [&, others = std::move(hooks.after_epoch)](Executor& executor, std::int64_t epoch) {
    auto values = loss.take_means();
    if (others) values.merge(others(executor, epoch));
    return values;
  };
  return train(student, options.train, loss, hooks, context);
}

}  // namespace dsc
