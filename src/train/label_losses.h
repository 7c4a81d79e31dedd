// Losses between a model's outputs and labels, and the objective that is a weighted sum of them:
//
//   label_losses: [cross_entropy, {dice: {weight: 0.5}}, {cross_entropy: {output: 1, weight: 0.4}}]
//   label_losses: [cross_entropy, {smooth_l1: {label: price, weight: 0.1}}]
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "data/dataset.h"
#include "dscompress/fields.h"

namespace dsc {

// Computes the loss of one batch from the model's outputs (a scalar tensor with gradient).
using Objective = std::function<at::Tensor(const std::vector<at::Tensor>& outputs, const Batch& batch)>;

// Which part of the sum a loss is, of which label and of which output.
struct LossPart {
  double weight = 1;
  std::string label;         // one of the data's further labels; empty: the label itself
  std::int64_t output = -1;  // counted from 0; -1: the one that the label belongs to (matching_output, SplitConfig::labels)
  void fields(FieldVisitor& visit);
};

// Of class labels, one for each example, token or pixel; with label smoothing and mixed labels.
struct CrossEntropy : LossPart {
  static constexpr const char* kName = "cross_entropy";
};
// 1 less the overlap of each class, 2 |a b| / (|a| + |b|) of probabilities and labels over the whole batch; mean over the classes that the
// labels have. Of several labels an example, of each class alone. source: Sudre et al. 2017, arXiv:1707.03237, unweighted.
struct Dice : LossPart {
  static constexpr const char* kName = "dice";
  double smooth = 0;  // added to both sides of the fraction
  void fields(FieldVisitor& visit);
};
// Cross-entropy in which what is right already counts little: -(1 - p)^gamma log p of the right class. source: Lin et al. 2017,
// arXiv:1708.02002, without class weights.
struct Focal : LossPart {
  static constexpr const char* kName = "focal";
  double gamma = 2;
  void fields(FieldVisitor& visit);
};
// Binary cross-entropy of several labels an example, or of one score an example for labels 0 and 1.
struct Bce : LossPart {
  static constexpr const char* kName = "bce";
};
// Of real numbers.
struct Mse : LossPart {
  static constexpr const char* kName = "mse";
};
// Squared below `beta`, linear above. source: Girshick 2015, arXiv:1504.08083.
struct SmoothL1 : LossPart {
  static constexpr const char* kName = "smooth_l1";
  double beta = 1;
  void fields(FieldVisitor& visit);
};
// log cosh(error): half the squared error near 0, |error| - log 2 far away. Of real numbers.
struct LogCosh : LossPart {
  static constexpr const char* kName = "log_cosh";
};
using LabelLoss = std::variant<CrossEntropy, Dice, Focal, Bce, Mse, SmoothL1, LogCosh>;

// Without losses the labels decide, each with the same weight where there are several: cross-entropy for i64 targets (classes where class_dimension
// says) and mixed ones, binary cross-entropy for several labels an example, mean squared error for other floating-point targets. -100 marks a
// position without a label. errors: data for batches without labels, labels out of range or of another kind than the loss takes, and shapes that do
// not fit.
Objective supervised_objective(double label_smoothing, std::vector<LabelLoss> losses = {});

}  // namespace dsc
