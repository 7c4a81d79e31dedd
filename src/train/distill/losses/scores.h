// What losses on scores compare, and what they share. Classes whose scores are -inf in both networks, as masks leave them, count
// in none of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "dscompress/fields.h"
#include "train/schedule.h"

namespace dsc {

// One output of the student and the same of its teachers, [..., classes], only positions that count.
struct ScorePair {
  at::Tensor student;
  // Scores whose softmax at this temperature is the mean of the teachers'.
  std::function<at::Tensor(double temperature)> teacher;
  // The mean of the teachers' outputs themselves.
  std::function<at::Tensor()> teacher_mean;
  at::Tensor labels;  // i64, of losses with kNeedsLabels; [...]
  double share = 0;   // of the training that is done
};

// As f32 [rows, classes].
at::Tensor score_rows(const at::Tensor& scores);
// KL(teacher || student) of rows of log-probabilities, mean over rows.
at::Tensor mean_divergence(const at::Tensor& student, const at::Tensor& teacher);

void visit_temperature(Ramp& temperature, FieldVisitor& visit);

}  // namespace dsc
