#include "passes/quantize/options.h"

namespace dsc::quantize {

std::span<const std::string_view> enum_names(Mode) {
  static constexpr std::string_view kNames[] = {"ptq", "qat"};
  return kNames;
}

std::span<const std::string_view> enum_names(Observer) {
  static constexpr std::string_view kNames[] = {"auto", "minmax", "ema", "percentile", "mse"};
  return kNames;
}

void WeightOptions::fields(FieldVisitor& visit) {
  visit("bits", bits, {.text = "Width of weights.", .unit = "bits", .minimum = 2, .maximum = 8});
  visit("per_channel", per_channel, {.text = "One scale for each output channel; otherwise one for each tensor."});
  visit("symmetric", symmetric, {.text = "Without zero points, which is what integer kernels like best."});
}

void ActivationOptions::fields(FieldVisitor& visit) {
  visit("bits", bits, {.text = "Width of activations.", .unit = "bits", .minimum = 2, .maximum = 8});
  visit("observer", observer, {.text = "What a range is made of: the extremes, their moving average, a percentile, or the range of "
                                       "least squared error; auto: ema in qat, mse in ptq."});
  visit("momentum", momentum, {.text = "Of ema: weight of the past, each batch.", .unit = "fraction", .minimum = 0, .maximum = 0.9999});
  visit("percentile", percentile, {.text = "Of percentile: share of values inside the range.", .unit = "percent", .minimum = 50, .maximum = 100});
  visit("symmetric", symmetric, {.text = "Ranges of values of both signs are symmetric around zero."});
}

void CalibrationOptions::fields(FieldVisitor& visit) {
  visit("samples", samples, {.text = "Examples that set the ranges.", .minimum = 1});
  visit("batch", batch, {.text = "Examples a batch.", .minimum = 1});
}

Options::Options() {
  train.epochs = 5;
  train.optimizer = Sgd{.lr = 0.01, .weight_decay = 1e-4};
}

Observer Options::observer() const {
  if (activations.observer != Observer::automatic) return activations.observer;
  return mode == Mode::qat ? Observer::ema : Observer::mse;
}

void Options::fields(FieldVisitor& visit) {
  visit("mode", mode, {.text = "ptq: ranges from calibration; qat: trained with quantisation in the loop."});
  visit("weights", weights, {.text = "How weights are quantised."});
  visit("activations", activations, {.text = "How activations are quantised."});
  visit("skip", skip, {.text = "Module globs to keep in floating point."});
  visit("calibration", calibration, {.text = "Of ptq: the data that sets the ranges, from `data.calibration` or else `data.train`."});
  visit("freeze_observers", freeze_observers,
        {.text = "Of qat: share of the training after which ranges no longer move.", .unit = "fraction", .minimum = 0, .maximum = 1});
  train.fields(visit);
  const bool moving = observer() == Observer::ema;
  visit.check(mode == Mode::qat && !moving ? "qat follows ranges with `observer: ema`; the others are for ptq" : "");
}

}  // namespace dsc::quantize
