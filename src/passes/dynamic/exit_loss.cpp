#include "passes/dynamic/exit_loss.h"

#include "train/distill/losses/scores.h"

namespace dsc::dynamic {

LossSum exit_loss(const std::vector<std::string>& names, const ExitTeaching& teaching, const std::shared_ptr<double>& share) {
  std::vector<LossTerm> terms;
  const auto alone = [on_labels = teaching.on_labels](std::size_t output) {
    return [=](const std::vector<at::Tensor>& outputs, const Batch& batch) { return on_labels({outputs.at(output)}, batch); };
  };
  if (teaching.trains_end) terms.push_back({.name = "loss_end_labels", .weight = {1}, .loss = alone(0)});
  for (std::size_t i = 1; i <= names.size(); ++i) {
    const std::string name = "loss_" + names[i - 1] + "_";
    terms.push_back({.name = name + "labels", .weight = teaching.labels.weight, .loss = alone(i)});
    terms.push_back({.name = name + "kd",
                     .weight = teaching.kd.weight,
                     .loss = [kd = teaching.kd, share, i](const std::vector<at::Tensor>& outputs, const Batch&) {
                       const at::Tensor end = outputs.at(0).detach();
                       return kd.compare({.student = outputs.at(i),
                                          .teacher = [end](double) { return end; },
                                          .teacher_mean = [end] { return end; },
                                          .labels = {},
                                          .share = *share});
                     }});
  }
  return LossSum(std::move(terms));
}

}  // namespace dsc::dynamic
