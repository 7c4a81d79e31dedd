// Options of `quantize`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"
#include "train/train.h"

namespace dsc::quantize {

enum class Mode : std::uint8_t { ptq, qat };
std::span<const std::string_view> enum_names(Mode);

// How calibration or training turns activations into a range.
enum class Observer : std::uint8_t { automatic, minmax, ema, percentile, mse };
std::span<const std::string_view> enum_names(Observer);

struct WeightOptions {
  std::int64_t bits = 8;
  bool per_channel = true;
  bool symmetric = true;
  void fields(FieldVisitor& visit);
};

struct ActivationOptions {
  std::int64_t bits = 8;
  Observer observer = Observer::automatic;
  double momentum = 0.99;
  double percentile = 99.99;
  bool symmetric = false;
  void fields(FieldVisitor& visit);
};

struct CalibrationOptions {
  std::int64_t samples = 300;
  std::int64_t batch = 50;
  void fields(FieldVisitor& visit);
};

struct Options {
  Options();
  Mode mode = Mode::ptq;
  WeightOptions weights;
  ActivationOptions activations;
  std::vector<std::string> skip;
  CalibrationOptions calibration;
  double freeze_observers = 0.8;
  TrainOptions train;
  void fields(FieldVisitor& visit);

  Observer observer() const;  // `automatic` decided
};

}  // namespace dsc::quantize
