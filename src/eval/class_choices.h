// What is kept of a model that chooses one class for each example, besides what its metrics say: enough to show which classes and
// which examples go wrong.
#pragma once

#include <map>
#include <string>

#include "eval/metric.h"

namespace dsc {

inline constexpr const char* kChosenClass = "chosen_class";  // outcomes: the class that was chosen, against the right one
inline constexpr const char* kLabelLoss = "label_loss";      // outcomes: cross entropy, against one row

class ClassChoices {
 public:
  // Batches without one class label and one row of scores for each example are left out.
  void add(const at::Tensor& output, const Batch& batch);
  void take(std::map<std::string, Outcomes>& outcomes) &&;

 private:
  Outcomes chosen_, loss_;
};

}  // namespace dsc
