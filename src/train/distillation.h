// Training towards a teacher: a loss between both networks' class scores beside the supervised one.
//
//   loss = alpha * distillation(student, teacher) + (1 - alpha) * supervised(student, label)
#pragma once

#include <variant>

#include "train/train.h"

namespace dsc {

// Sources: train/distill_loss.h.
struct Kd {
  static constexpr const char* kName = "kd";
  double temperature = 3;
  void fields(FieldVisitor& visit);
};
struct Dkd {
  static constexpr const char* kName = "dkd";
  double target_weight = 1, rest_weight = 8, temperature = 4;
  void fields(FieldVisitor& visit);
};
struct Dist {
  static constexpr const char* kName = "dist";
  double class_weight = 2, example_weight = 2, temperature = 4;
  void fields(FieldVisitor& visit);
};

// What every training towards a teacher can set: the pass `distill`, and passes that train between their steps.
struct DistillOptions {
  TrainOptions train;
  std::variant<Kd, Dkd, Dist> loss;
  double alpha = 0.9;
  void fields(FieldVisitor& visit);
};

// As train(), towards context.teacher(), which runs in evaluation mode on the student's own (augmented) batches, as Beyer
// et al. 2022 (arXiv:2106.05237) recommend. Adds the curves loss_distill and loss_supervised.
// errors: those of train(); data when teacher and student differ in their scores' shape, or labels are needed and missing.
TrainResult distill(Model& student, const DistillOptions& options, TrainHooks hooks, PassContext& context);

}  // namespace dsc
