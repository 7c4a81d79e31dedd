#include "passes/quantize/options.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/names.h"
#include "ops/quant_target.h"

namespace dsc::quantize {
namespace {

// One text for a field of the options and of the rules that override them.
Doc weight_bits() { return {.text = "Width of weights. Embeddings have 8 unless `layers` says otherwise.", .unit = "bits", .minimum = 2, .maximum = 8}; }
Doc per_channel() { return {.text = "One scale for each output channel; otherwise one for each tensor."}; }
Doc group_size() {
  return {.text = "Of weight_only: so many neighbours of a row share a scale (the largest divisor of the row's length up to it); 0: no groups.",
          .minimum = 0};
}
Doc weight_symmetric() { return {.text = "Without zero points, which is what integer kernels like best."}; }
Doc weight_observer() {
  return {.text =
              "What a grid is made of: the extremes, the range of least squared error, or (weighted) of least error times the inputs' "
              "second moments, from calibration data."};
}
Doc activation_bits() { return {.text = "Width of activations.", .unit = "bits", .minimum = 2, .maximum = 8}; }
Doc observer() {
  return {.text = "What a range is made of: the extremes, their moving average, a percentile, the range of least squared error, or "
                  "of least divergence of the distribution; auto: ema in qat, mse in ptq."};
}
Doc momentum() { return {.text = "Of ema: weight of the past, each batch.", .unit = "fraction", .minimum = 0, .maximum = 0.9999}; }
Doc percentile() { return {.text = "Of percentile: share of values inside the range.", .unit = "percent", .minimum = 50, .maximum = 100}; }
Doc activation_symmetric() { return {.text = "Ranges of values of both signs are symmetric around zero."}; }

std::string names_of_targets() {
  std::string names;
  for (const QuantTarget& target : quant_targets()) names += (names.empty() ? "" : ", ") + std::string(target.name);
  return names;
}

std::string check_target(const std::string& name) {
  if (find_quant_target(name)) return "";
  std::vector<std::string> known;
  for (const QuantTarget& target : quant_targets()) known.emplace_back(target.name);
  return "unknown target `" + name + "`; " + suggest(name, known);
}

std::string check_dynamic(const Options& options) {
  const QuantTarget* target = find_quant_target(options.target);
  if (target && target->run_time_rows == 0) return "the target `" + options.target + "` does not quantise activations at run time";
  const bool plain = options.activations == ActivationOptions{} && std::all_of(options.layers.begin(), options.layers.end(), [](const LayerRule& rule) {
    const auto& a = rule.activations;
    return !a.bits && !a.observer && !a.momentum && !a.percentile && !a.symmetric;
  });
  return plain ? "" : "`mode: dynamic` finds the ranges of activations at run time, in 8 bits: leave `activations` out";
}

bool has_weighted_grids(const Options& options) {
  return options.weights.observer == WeightObserver::weighted ||
         std::ranges::any_of(options.layers, [](const LayerRule& rule) { return rule.weights.observer == WeightObserver::weighted; });
}

bool moves(Observer observer) { return observer == Observer::ema || observer == Observer::automatic; }

}  // namespace

std::span<const std::string_view> enum_names(Mode) {
  static constexpr std::string_view kNames[] = {"ptq", "qat", "weight_only", "dynamic"};
  return kNames;
}

std::span<const std::string_view> enum_names(Precision) {
  static constexpr std::string_view kNames[] = {"int", "f32", "bf16", "f16"};
  return kNames;
}

std::span<const std::string_view> enum_names(WeightObserver) {
  static constexpr std::string_view kNames[] = {"minmax", "mse", "weighted"};
  return kNames;
}

std::span<const std::string_view> enum_names(Rounding) {
  static constexpr std::string_view kNames[] = {"nearest", "gptq", "adaround"};
  return kNames;
}

std::span<const std::string_view> enum_names(Scaling) {
  static constexpr std::string_view kNames[] = {"none", "equalize", "smooth", "awq"};
  return kNames;
}

bool has_activation_ranges(Mode mode) { return mode == Mode::ptq || mode == Mode::qat; }

bool needs_inputs(const Options& options) {
  return options.mode != Mode::qat && (options.rounding != Rounding::nearest || options.bias_correction || has_weighted_grids(options));
}

bool scales_by_inputs(const Options& options) { return options.scaling == Scaling::smooth || options.scaling == Scaling::awq; }

bool needs_calibration(const Options& options) {
  const bool measures = options.mixed && options.mixed->table.empty();
  return options.mode == Mode::ptq || (options.mode == Mode::qat && options.learned_steps) || needs_inputs(options) || scales_by_inputs(options) ||
         measures;
}

void WeightOptions::fields(FieldVisitor& visit) {
  visit("bits", bits, weight_bits());
  visit("per_channel", per_channel, quantize::per_channel());
  visit("group_size", group_size, quantize::group_size());
  visit("symmetric", symmetric, weight_symmetric());
  visit("observer", observer, weight_observer());
}

void ActivationOptions::fields(FieldVisitor& visit) {
  visit("bits", bits, activation_bits());
  visit("observer", observer, quantize::observer());
  visit("momentum", momentum, quantize::momentum());
  visit("percentile", percentile, quantize::percentile());
  visit("symmetric", symmetric, activation_symmetric());
}

bool is_symmetric(const ActivationOptions& options, ZeroPoint zero_point) { return options.symmetric || zero_point != ZeroPoint::any; }

void LayerRule::Weights::fields(FieldVisitor& visit) {
  visit("bits", bits, weight_bits());
  visit("per_channel", per_channel, quantize::per_channel());
  visit("group_size", group_size, quantize::group_size());
  visit("symmetric", symmetric, weight_symmetric());
  visit("observer", observer, weight_observer());
}

void LayerRule::Activations::fields(FieldVisitor& visit) {
  visit("bits", bits, activation_bits());
  visit("observer", observer, quantize::observer());
  visit("momentum", momentum, quantize::momentum());
  visit("percentile", percentile, quantize::percentile());
  visit("symmetric", symmetric, activation_symmetric());
}

void LayerRule::fields(FieldVisitor& visit) {
  visit("select", select, {.text = "Module glob of the layers."});
  visit("operator", op, {.text = "Glob of their operator: linear, conv*, matmul."});
  visit("precision", precision, {.text = "int, or a floating-point type that these layers compute in."});
  visit("weights", weights, {.text = "What differs for their weights."});
  visit("activations", activations, {.text = "What differs for their inputs."});
}

void CalibrationOptions::fields(FieldVisitor& visit) {
  visit("samples", samples, {.text = "Examples that set the ranges.", .minimum = 1});
  visit("batch", batch, {.text = "Examples a batch.", .minimum = 1});
  visit("memory", memory, {.text = "Of roundings and scalings that look at what layers read, block by block: so much of what samples are between two blocks, and so "
                                   "much of new weights, is held in memory; the rest lies in a file in the cache folder.",
                           .minimum = 0, .units = {"B", "kB", "MB", "GB"}});
}

std::int64_t memory_bytes(const CalibrationOptions& options) {
  const std::map<std::string, double> factors = {{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
  return static_cast<std::int64_t>(options.memory.value * factors.at(options.memory.unit));
}

void Progressive::fields(FieldVisitor& visit) {
  visit("full_precision", full_precision, {.text = "Share of the training before anything is quantised.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("ramp", ramp, {.text = "Share in which the quantised share grows from 0 to 1.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit.check(full_precision + ramp > 1 ? "full_precision and ramp together are more than the training" : "");
}

void MixedOptions::Budget::fields(FieldVisitor& visit) {
  visit("bytes", bytes, {.text = "Weights on disk, at most; %: of those of the model before.", .minimum = 0, .units = {"B", "kB", "MB", "GB", "%"}});
  visit("latency", latency, {.text = "Latency, at most, as a share of the model's before.", .unit = "fraction", .minimum = 0.01, .maximum = 1});
  visit("drop", drop, {.text = "Loss of the metric on `data.valid`, at most; the smallest weights on disk win. %: of the value before.", .minimum = 0, .units = {"pp", "%"}});
  visit.one_of("the budget", {{"bytes", bytes.has_value()}, {"latency", latency.has_value()}, {"drop", drop.has_value()}});
}

void MixedOptions::fields(FieldVisitor& visit) {
  visit("bits", bits, {.text = "Widths to choose from: 2 to 8, and 32 for floating point.", .unit = "bits", .minimum = 2, .maximum = 32});
  visit("budget", budget, {.text = "What the choice must keep to."});
  visit("samples", samples, {.text = "Examples of the calibration data to measure on.", .minimum = 1});
  visit("table", table, {.text = "Table written by `dscompress sense RECIPE --json`; empty: measure in this step."});
  visit("search", search, {.text = "Go on from the choice of least error by trying widths, on a part of the valid split; for a budget of bytes."});
  visit.check(search && !budget.bytes ? "`search` goes with a budget of bytes" : "");
  const std::set<std::int64_t> different(bits.begin(), bits.end());
  const bool known = std::all_of(bits.begin(), bits.end(), [](std::int64_t b) { return b <= 8 || b == kFloatBits; });
  visit.check(!known ? "`bits` takes widths from 2 to 8, and 32" : different.size() < 2 || different.size() != bits.size() ? "`bits` takes two or more different widths" : "");
}

Options::Options() : target(quant_targets().front().name) {
  train.epochs = 5;
  train.optimizer = Sgd{.lr = 0.01, .weight_decay = 1e-4};
}

void Options::fields(FieldVisitor& visit) {
  visit("mode", mode, {.text = "ptq: ranges from calibration; qat: trained with quantisation in the loop; weight_only: weights alone; "
                              "dynamic: weights of linear layers, and their inputs at run time, each token by its own largest value."});
  visit("target", target, {.text = "The engine whose kernels decide where quantisers go: " + names_of_targets() + "."});
  visit("weights", weights, {.text = "How weights are quantised."});
  visit("activations", activations, {.text = "How activations are quantised."});
  visit("layers", layers, {.text = "Rules for some layers; of several that match, the last decides."});
  visit("skip", skip, {.text = "Module globs to keep in floating point, whatever `layers` says."});
  visit("calibration", calibration, {.text = "The data that sets the ranges, from `data.calibration` or else `data.train`."});
  visit("rounding", rounding, {.text = "Of all but qat: weights go to the nearest step, or where layer outputs change least "
                                       "(gptq: column by column; adaround: optimised)."});
  visit("damping", damping, {.text = "Of gptq: share of the mean second moment added to each.", .unit = "fraction", .minimum = 0, .maximum = 10});
  visit("iterations", iterations, {.text = "Of adaround.", .minimum = 1});
  visit("scaling", scaling, {.text = "Factors that move between layers first: equalize (ranges of weights), smooth (SmoothQuant), "
                                     "awq (weights of large activations grow)."});
  visit("smooth_alpha", smooth_alpha, {.text = "Of smooth: how much of large activations moves into weights.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("bias_correction", bias_correction, {.text = "Of all but qat: biases take over the mean error that rounding weights makes."});
  visit("freeze_observers", freeze_observers,
        {.text = "Of qat: so many last epochs go on with the ranges as they are; without: a fifth of the training.", .unit = "epochs", .minimum = 0});
  visit("freeze_batch_norm", freeze_batch_norm,
        {.text = "Of qat: so many last epochs keep the statistics of batch norms, which move before. Without: half of the training. "
                 "All of it: folded first.",
         .unit = "epochs", .minimum = 0});
  visit("learned_steps", learned_steps, {.text = "Of qat: step sizes are trained like weights (LSQ), from the ranges of calibration."});
  visit("progressive", progressive, {.text = "Of qat: full precision first, then a growing quantised share; `{}` takes 1/4 and 1/2 of the training."});
  visit("distill", distill, {.text = "Of qat: train towards teachers, in place of labels alone."});
  visit("max_drop", max_drop, {.text = "Of all but qat: layers go back to floating point, the most sensitive first, until the metric "
                                       "(top1, or the only one) on `data.valid` has lost no more.", .minimum = 0, .units = {"pp", "%"}});
  visit("mixed", mixed, {.text = "Choose the width of weights layer by layer: least error of the outputs within a budget. Layers that `layers` gives a "
                                 "width or a floating-point type keep it."});
  train.fields(visit);
  visit.check(mode == Mode::qat && max_drop ? "`max_drop` is not for qat" : "");
  visit.check(mixed && max_drop ? "`mixed` and `max_drop` both choose precisions: use `mixed: {budget: {drop: ...}}`" : "");
  visit.check(mixed && mixed->budget.drop && mode == Mode::qat ? "`budget: {drop: ...}` is measured without training: give qat a budget of bytes or latency" : "");
  visit.check(check_target(target));
  visit.check(mode == Mode::dynamic ? check_dynamic(*this) : "");
  const bool all_move = moves(activations.observer) && std::all_of(layers.begin(), layers.end(), [](const LayerRule& rule) {
    return !rule.activations.observer || moves(*rule.activations.observer);
  });
  visit.check(mode == Mode::qat && !learned_steps && !all_move ? "qat follows ranges with `observer: ema`; the others are for ptq and learned_steps" : "");
  const bool groups = weights.group_size > 0 || std::any_of(layers.begin(), layers.end(), [](const LayerRule& rule) {
    return rule.weights.group_size.value_or(0) > 0;
  });
  visit.check(groups && mode != Mode::weight_only ? "group_size is for `mode: weight_only`: integer kernels take one scale for each channel" : "");
  visit.check(mode == Mode::qat && has_weighted_grids(*this) ? "`observer: weighted` is not for qat, which trains the weights: use mse" : "");
  visit.check(mode == Mode::qat && rounding != Rounding::nearest ? "`rounding` is not for qat, which trains the weights" : "");
  visit.check(mode == Mode::qat && learned_steps && !train.train_only.empty() ? "`learned_steps` train too: name what does not under `freeze`, in place of train_only" : "");
  visit.check(freeze_batch_norm && scaling != Scaling::none ? "`scaling` moves factors between folded layers: no freeze_batch_norm beside it" : "");
  visit.check(progressive && mode == Mode::qat && (train.keep == KeepWeights::best || train.patience > 0)
                  ? "`progressive` compares epochs of different precision: use keep: last and no patience" : "");
}

}  // namespace dsc::quantize
