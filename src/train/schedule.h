// Learning rate over the course of a training.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "dscompress/fields.h"

namespace dsc {

// A number that stays, or moves evenly from `from` to `to` over a training.
struct Ramp {
  double from = 0;
  std::optional<double> to = {};
  double at(double share) const { return to ? from + (*to - from) * share : from; }  // share of the training: 0 to 1
};

struct ConstantLr {
  static constexpr const char* kName = "constant";
  void fields(FieldVisitor& visit);
};
struct CosineLr {
  static constexpr const char* kName = "cosine";
  double final_fraction = 0;
  void fields(FieldVisitor& visit);
};
struct LinearLr {
  static constexpr const char* kName = "linear";
  double final_fraction = 0;
  void fields(FieldVisitor& visit);
};
struct StepLr {
  static constexpr const char* kName = "step";
  std::vector<double> at = {0.5, 0.75};  // shares of the training
  double factor = 0.1;
  void fields(FieldVisitor& visit);
};
struct OneCycleLr {
  static constexpr const char* kName = "one_cycle";
  double peak_at = 0.3, start_fraction = 0.04, final_fraction = 1e-4;
  void fields(FieldVisitor& visit);
};
using ScheduleConfig = std::variant<CosineLr, ConstantLr, LinearLr, StepLr, OneCycleLr>;

// Learning rate at a point of the training: a linear rise from 0 over the warm-up, then the schedule over the rest.
// Step i of an epoch of n steps lies at i/n, so a schedule equals the per-step ones of torch.optim.
// units: position, epochs, warmup: epochs.
double learning_rate(const ScheduleConfig& schedule, double base_lr, double position, double epochs, double warmup);

}  // namespace dsc
