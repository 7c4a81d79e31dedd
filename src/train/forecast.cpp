// The batches are trained in full, with teachers, quantisers and whatever else the hooks bring, but at learning rate 0, so that a
// training which would diverge is still told. What slows down later (a schedule that unfreezes layers) is not seen.
#include "train/forecast.h"

#include <ATen/Context.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>

#include "core/random.h"
#include "exec/native_bf16.h"
#include "ir/shared_copy.h"
#include "ops/cost.h"
#include "train/trainer.h"

namespace dsc {
namespace {

constexpr std::int64_t kMostBatches = 4;  // the first of them warms up
constexpr double kMostSeconds = 1.5;      // no further batch is begun after this
constexpr double kMostFlops = 4e10;       // of one batch: half a second to two on two cores
constexpr std::int64_t kLeastExamples = 2;  // batch norm needs two

// The examples that a batch is measured with: time grows with their number, and a rehearsal should not take minutes.
std::int64_t affordable_examples(const Model& model, std::int64_t batch) {
  constexpr double kFlopsPerMac = 6;  // a multiplication and an addition, forwards and twice backwards
  const double flops = kFlopsPerMac * model_cost(model).macs;
  if (flops * static_cast<double>(batch) <= kMostFlops) return batch;
  return std::clamp(static_cast<std::int64_t>(kMostFlops / flops), std::min(kLeastExamples, batch), batch);
}

}  // namespace

double Trainer::train_one_batch(BatchLoader& loader, LossLog& losses) {
  const auto start = std::chrono::steady_clock::now();
  context_.check_cancelled();
  if (hooks_.before_step) hooks_.before_step(*executor_, 0, plan_.steps);
  accumulate_gradients(loader, losses, 1, 0);
  if (hooks_.after_backward) hooks_.after_backward(*executor_, 0);
  update_weights(0);
  parameters().front().detach().reshape({-1})[0].item<double>();  // wait for the device
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Trainer::measure_seconds_per_step() {
  c10::AutoGradMode recording(true);
  const auto seed = derive_seed(context_.seed(), hooks_.curve_prefix + "forecast");
  at::manual_seed(seed);
  // Of each batch as many examples as one of the run's processes has.
  const auto whole = std::min(options_.batch, data_.size()), batch = std::max(std::min(kLeastExamples, whole), whole / processes_of(context_));
  const auto examples = affordable_examples(model_, batch);
  const auto batches = std::min(kMostBatches, data_.size() / examples);
  if (hooks_.before_epoch) hooks_.before_epoch(*executor_, 0);
  BatchLoader loader(data_, {.batch = examples, .shuffle = true, .drop_last = true, .seed = seed, .augment = true,
                             .workers = static_cast<int>(options_.workers), .channels_last = channels_last_});
  LossLog losses(0, /*on_cpu=*/false, /*bf16=*/false);  // not looked at so soon: nothing is trained or calibrated yet
  const double first = train_one_batch(loader, losses);
  double seconds = 0;
  std::int64_t measured = 0;
  while (measured + 1 < batches && first + seconds < kMostSeconds) {
    seconds += train_one_batch(loader, losses);
    ++measured;
  }
  const double per_batch = (measured > 0 ? seconds / static_cast<double>(measured) : first) * static_cast<double>(batch) / static_cast<double>(examples);
  return per_batch * static_cast<double>(std::min(options_.accumulate, plan_.batches));
}

TrainingForecast forecast_training(const Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks, PassContext& context) {
  const auto measure = [&](const TrainOptions& measured, std::int64_t& steps) {
    Model copy = shared_copy(model);
    Trainer trainer(copy, measured, objective, hooks, context);
    steps = trainer.plan().steps;
    return trainer.measure_seconds_per_step();
  };
  TrainingForecast forecast;
  forecast.seconds_per_step = measure(options, forecast.steps);
  if (uses_bf16(options, context.device()) && !has_native_bf16(context.device())) {
    TrainOptions in_f32 = options;
    in_f32.bf16 = Bf16::off;
    forecast.seconds_per_f32_step = measure(in_f32, forecast.steps);
  }
  return forecast;
}

}  // namespace dsc
