// Adversarial pictures: changes too small to see that raise a model's loss, found by its gradients.
//
// Budgets are in the units of pixels, from 0 to 255, whatever the model is given: pictures go through these functions with values
// from 0 to 1, and what normalises them is part of the function that is attacked. Every pixel stays within `epsilon` of what it was,
// and a valid one. Non-goals: other norms than the largest change, and attacks that ask for scores alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "dscompress/fields.h"

namespace dsc {

// One step along the gradient's sign. source: Goodfellow et al. 2015, arXiv:1412.6572.
struct Fgsm {
  static constexpr const char* kName = "fgsm";
  static constexpr const char* kSummary = "Attack by one step along the sign of the loss's gradient.";
  double epsilon = 8;
  void fields(FieldVisitor& visit);
};
// Steps along the gradient's sign from a random start, each cut to the budget. source: Madry et al. 2018, arXiv:1706.06083.
struct Pgd {
  static constexpr const char* kName = "pgd";
  static constexpr const char* kSummary = "Attack by several such steps from a random start.";
  double epsilon = 8, step_size = 2;
  std::int64_t steps = 10;
  bool random_start = true;
  void fields(FieldVisitor& visit);
};
// PGD with momentum whose step halves where the loss stops growing, on cross-entropy.
// source: Croce and Hein 2020, arXiv:2003.01690, algorithm 1 (APGD-CE).
struct AutoPgd {
  static constexpr const char* kName = "auto_pgd";
  static constexpr const char* kSummary = "Attack by steps with momentum that find their size themselves (APGD-CE).";
  double epsilon = 8;
  std::int64_t steps = 100;
  void fields(FieldVisitor& visit);
};
using Attack = std::variant<Fgsm, Pgd, AutoPgd>;
std::string name_of(const Attack& attack);

// What a model makes of pictures [N, C, H, W].
struct Judgement {
  at::Tensor losses;  // [N], which gradients flow back from
  at::Tensor fooled;  // [N] bool
};
using Judge = std::function<Judgement(const at::Tensor& pictures)>;

// noise: uniform in [-1, 1], of the pictures' shape, that random starts are made of.
// errors: unsupported, when no gradient reaches the pictures.
at::Tensor attack_pictures(const Attack& attack, const at::Tensor& clean, const at::Tensor& noise, const Judge& judge);

// The judgement, and the gradient of the sum of its losses. errors: unsupported.
struct Slope {
  Judgement judgement;  // without gradients
  at::Tensor gradient;
};
Slope slope_at(const at::Tensor& pictures, const Judge& judge);

// Within the budget of `clean`, in [0, 1].
at::Tensor within_budget(const at::Tensor& pictures, const at::Tensor& clean, double epsilon);

at::Tensor auto_pgd(const AutoPgd& config, const at::Tensor& clean, const at::Tensor& noise, const Judge& judge);

}  // namespace dsc
