// How long a training will take, from a few batches of it; a rehearsal asks.
#pragma once

#include <cstdint>

#include "train/train.h"

namespace dsc {

struct TrainingForecast {
  std::int64_t steps = 0;           // of the optimiser, in all
  double seconds_per_step = 0;
  double seconds_per_f32_step = 0;  // where it computes in bf16 and the device has no instructions for it; 0: not measured
  double seconds() const { return static_cast<double>(steps) * seconds_per_step; }
};

// A PassContext that wants to hear what its dry run has not trained is one of these as well, so that the interface of plugins
// need not know of it.
class ForecastListener {
 public:
  virtual ~ForecastListener() = default;
  virtual void forecast(const TrainingForecast& training) = 0;  // a step may have several
};

// Measured on a copy: the model stays as it is. errors: those of train() that a first step shows.
TrainingForecast forecast_training(const Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks, PassContext& context);

}  // namespace dsc
