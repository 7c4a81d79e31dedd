// Options of `quantize`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dscompress/fields.h"
#include "ops/quantization.h"
#include "search/options.h"
#include "train/distill/distillation.h"
#include "train/train.h"

namespace dsc::quantize {

enum class Mode : std::uint8_t { ptq, qat, weight_only, dynamic };
std::span<const std::string_view> enum_names(Mode);

// What a layer computes in.
enum class Precision : std::uint8_t { integer, f32, bf16, f16 };
std::span<const std::string_view> enum_names(Precision);

// How calibration or training turns activations into a range. A new one is an enumerator here and a row in observers.cpp.
enum class Observer : std::uint8_t { automatic, minmax, ema, percentile, mse, kl };
std::span<const std::string_view> enum_names(Observer);

// How a weight's grid follows from its values, and of `weighted` from the second moments of what they are multiplied with.
enum class WeightObserver : std::uint8_t { minmax, mse, weighted };
std::span<const std::string_view> enum_names(WeightObserver);

// Which neighbour on the grid a weight becomes (passes/quantize/weights/rounding.h).
enum class Rounding : std::uint8_t { nearest, gptq, adaround };
std::span<const std::string_view> enum_names(Rounding);

// Factors that move between layers before their weights are rounded (passes/quantize/weights/scaling.h).
enum class Scaling : std::uint8_t { none, equalize, smooth, awq };
std::span<const std::string_view> enum_names(Scaling);

struct WeightOptions {
  std::int64_t bits = 8;
  bool per_channel = true;
  std::int64_t group_size = 0;
  bool symmetric = true;
  WeightObserver observer = WeightObserver::minmax;
  void fields(FieldVisitor& visit);
  bool operator==(const WeightOptions&) const = default;
};

struct ActivationOptions {
  std::int64_t bits = 8;
  Observer observer = Observer::automatic;
  double momentum = 0.99;
  double percentile = 99.99;
  bool symmetric = false;
  void fields(FieldVisitor& visit);
  bool operator==(const ActivationOptions&) const = default;
};

bool is_symmetric(const ActivationOptions& options, ZeroPoint zero_point);

// Another precision for some layers; what it does not say stays as the options above it say.
struct LayerRule {
  struct Weights {
    std::optional<std::int64_t> bits;
    std::optional<bool> per_channel;
    std::optional<std::int64_t> group_size;
    std::optional<bool> symmetric;
    std::optional<WeightObserver> observer;
    void fields(FieldVisitor& visit);
  };
  struct Activations {
    std::optional<std::int64_t> bits;
    std::optional<Observer> observer;
    std::optional<double> momentum, percentile;
    std::optional<bool> symmetric;
    void fields(FieldVisitor& visit);
  };
  std::string select = "**";
  std::string op = "*";
  Precision precision = Precision::integer;
  Weights weights;
  Activations activations;
  void fields(FieldVisitor& visit);
};

struct CalibrationOptions {
  std::int64_t samples = 300;
  std::int64_t batch = 50;
  Quantity memory = {4, "GB"};
  void fields(FieldVisitor& visit);
};
std::int64_t memory_bytes(const CalibrationOptions& options);

// Shares of a training: the first part in full precision, then the quantised share grows to one.
struct Progressive {
  double full_precision = 0.25, ramp = 0.5;
  void fields(FieldVisitor& visit);
};

// Widths of weights chosen layer by layer (mixed.h).
inline constexpr std::int64_t kFloatBits = 32;  // among widths: the layer stays in floating point

// How widths are found by trying (choose/search.h), in place of adding errors.
struct SearchOptions : search::Options {
  void fields(FieldVisitor& visit);
};

struct MixedOptions {
  struct Budget {  // one of them
    std::optional<Quantity> bytes, drop;
    std::optional<double> latency;
    void fields(FieldVisitor& visit);
  };
  std::vector<std::int64_t> bits = {4, 8};
  Budget budget;
  std::int64_t samples = 64;
  FilePath table;
  std::optional<SearchOptions> search;
  void fields(FieldVisitor& visit);
};

struct Options {
  Options();
  Mode mode = Mode::ptq;
  std::string target;
  WeightOptions weights;
  ActivationOptions activations;
  std::vector<LayerRule> layers;
  std::vector<std::string> skip;
  CalibrationOptions calibration;
  Rounding rounding = Rounding::nearest;
  double damping = 0.01;
  std::int64_t iterations = 500;
  Scaling scaling = Scaling::none;
  double smooth_alpha = 0.5;
  bool bias_correction = false;
  std::optional<double> freeze_observers, freeze_batch_norm;
  bool learned_steps = false;
  std::optional<Progressive> progressive;
  std::optional<DistillTargets> distill;
  std::optional<Quantity> max_drop;
  std::optional<MixedOptions> mixed;
  TrainOptions train;
  void fields(FieldVisitor& visit);
};

// Whether ranges of activations are part of the graph: ptq and qat.
bool has_activation_ranges(Mode mode);
// Whether roundings, corrections and weights' grids look at what layers read.
bool needs_inputs(const Options& options);
// Whether factors of channels do.
bool scales_by_inputs(const Options& options);
// Whether anything but training needs data: ranges of activations, or what layers read.
bool needs_calibration(const Options& options);

}  // namespace dsc::quantize
