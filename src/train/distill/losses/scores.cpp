#include "train/distill/losses/scores.h"

#include "train/distill/divergence.h"

namespace dsc {

at::Tensor score_rows(const at::Tensor& scores) { return scores.to(at::kFloat).reshape({-1, scores.size(-1)}); }

at::Tensor mean_divergence(const at::Tensor& student, const at::Tensor& teacher) { return divergence_terms(student, teacher).sum() / student.size(0); }

void visit_temperature(Ramp& temperature, FieldVisitor& visit) {
  visit("temperature", temperature.from, {.text = "Softens both networks' scores.", .minimum = 0.01, .maximum = 100});
  visit("final_temperature", temperature.to, {.text = "Temperature at the end, when it moves over the training.", .minimum = 0.01, .maximum = 100});
}

}  // namespace dsc
