// Field lists of all training options, and the text form of results.
#include <array>
#include <cmath>

#include "core/fields_json.h"
#include "train/train.h"

namespace dsc {
namespace {

constexpr const char* kDecay1dText = "Apply weight decay to parameters of one dimension (biases, normalisations) too, as PyTorch does.";

template <class Config>
void visit_adam(Config& c, FieldVisitor& visit) {
  visit("lr", c.lr, {.text = "Learning rate at the top of the schedule.", .minimum = 0});
  visit("beta1", c.beta1, {.text = "Decay of the mean of gradients.", .minimum = 0, .maximum = 1});
  visit("beta2", c.beta2, {.text = "Decay of the mean of squared gradients.", .minimum = 0, .maximum = 1});
  visit("eps", c.eps, {.text = "Added to the denominator.", .minimum = 0});
  visit("weight_decay", c.weight_decay, {.text = "Weight decay.", .minimum = 0});
  visit("decay_1d", c.decay_1d, {.text = kDecay1dText});
  visit.check(c.beta1 < 1 && c.beta2 < 1 ? "" : "beta1 and beta2 must be below 1");
}

void visit_final_fraction(double& value, FieldVisitor& visit) {
  visit("final_fraction", value, {.text = "Learning rate at the end, as a share of the top.", .unit = "fraction", .minimum = 0, .maximum = 1});
}

}  // namespace

void Sgd::fields(FieldVisitor& visit) {
  visit("lr", lr, {.text = "Learning rate at the top of the schedule.", .minimum = 0});
  visit("momentum", momentum, {.text = "Momentum.", .minimum = 0, .maximum = 1});
  visit("weight_decay", weight_decay, {.text = "Weight decay.", .minimum = 0});
  visit("nesterov", nesterov, {.text = "Nesterov's form of momentum."});
  visit("decay_1d", decay_1d, {.text = kDecay1dText});
  visit.check(nesterov && momentum == 0 ? "nesterov needs a momentum above 0" : "");
}
void Adam::fields(FieldVisitor& visit) { visit_adam(*this, visit); }
void AdamW::fields(FieldVisitor& visit) { visit_adam(*this, visit); }

void ConstantLr::fields(FieldVisitor&) {}
void CosineLr::fields(FieldVisitor& visit) { visit_final_fraction(final_fraction, visit); }
void LinearLr::fields(FieldVisitor& visit) { visit_final_fraction(final_fraction, visit); }
void StepLr::fields(FieldVisitor& visit) {
  visit("at", at, {.text = "Points of the training at which the rate is multiplied by `factor`.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("factor", factor, {.text = "What the learning rate is multiplied by.", .minimum = 0, .maximum = 1});
}
void OneCycleLr::fields(FieldVisitor& visit) {
  visit("peak_at", peak_at, {.text = "Point of the training with the highest rate.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("start_fraction", start_fraction, {.text = "First learning rate, as a share of the top.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit_final_fraction(final_fraction, visit);
}

std::span<const std::string_view> enum_names(KeepWeights) {
  static constexpr std::array<std::string_view, 2> kNames = {"last", "best"};
  return kNames;
}

std::span<const std::string_view> enum_names(Bf16) {
  static constexpr std::array<std::string_view, 3> kNames = {"auto", "true", "false"};
  return kNames;
}

void TrainOptions::fields(FieldVisitor& visit) {
  visit("epochs", epochs, {.text = "Length of the training; may be a fraction.", .unit = "epochs", .minimum = 0});
  visit("batch", batch, {.text = "Examples per batch; a smaller last batch is left out.", .minimum = 1});
  visit("optimizer", optimizer, {.text = "Optimiser."});
  visit("schedule", schedule, {.text = "Learning rate over the training."});
  visit("warmup_epochs", warmup_epochs, {.text = "Linear rise of the learning rate from 0.", .unit = "epochs", .minimum = 0});
  visit("label_losses", label_losses,
        {.text = "What is minimised on labels, as a sum; empty: cross-entropy of classes, bce of several labels an example, mse of real numbers."});
  visit("label_smoothing", label_smoothing, {.text = "Share of the target spread over all classes.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("clip_norm", clip_norm, {.text = "Largest norm of all gradients together; larger ones are scaled down.", .minimum = 0});
  visit("weight_ema", weight_ema, {.text = "Decay per step of averaged weights, which become the result.", .minimum = 0, .maximum = 1});
  visit("accumulate", accumulate, {.text = "Batches per optimiser step.", .minimum = 1});
  visit("bf16", bf16, {.text = "Compute in bfloat16 where it is safe (autocast), weights stay in float32; auto: where the device has instructions for it."});
  visit("channels_last", channels_last, {.text = "Image tensors in NHWC memory, the faster layout for convolutions."});
  visit("workers", workers, {.text = "Threads that prepare batches; 0: none.", .minimum = 0, .maximum = 64});
  visit("validate_every", validate_every, {.text = "Validate after so many epochs, and at the end; 0: never.", .unit = "epochs", .minimum = 0});
  visit("keep", keep, {.text = "Weights to end with: the last ones, or those with the best validation metric."});
  visit("monitor", monitor, {.text = "Metric that decides what is best; empty: top1, or the only one."});
  visit("patience", patience, {.text = "Stop after so many validations without a better value; 0: never.", .minimum = 0});
  visit("adversarial", adversarial, {.text = "Train on pictures that this attack on the model, as it is then, has changed; absent: on the data as it is."});
  visit("freeze", freeze, {.text = "Module or parameter globs to leave as they are."});
  visit("train_only", train_only, {.text = "Module or parameter globs to train; all others stay as they are."});
  visit.check(!freeze.empty() && !train_only.empty() ? "freeze and train_only exclude each other" : "");
  visit.check(warmup_epochs > 0 && std::holds_alternative<OneCycleLr>(schedule) ? "one_cycle brings its own warm-up: leave out warmup_epochs" : "");
  visit.check(warmup_epochs > epochs ? "warmup_epochs is longer than epochs" : "");
  visit.check(validate_every == 0 && (keep == KeepWeights::best || patience > 0) ? "keep: best and patience need validate_every above 0" : "");
  visit.check(clip_norm && *clip_norm == 0 ? "clip_norm must be above 0" : "");
}

void TrainResult::fields(FieldVisitor& visit) {
  visit("steps", steps, {.text = "Optimiser steps taken."});
  visit("final_loss", final_loss, {.text = "Mean loss over the last epoch."});
  visit("valid", valid, {.text = "Metrics of the weights kept, on the valid split."});
  visit("best_epoch", best_epoch, {.text = "When the weights kept were made.", .unit = "epochs"});
  visit("stopped_early", stopped_early, {.text = "Whether it ended before its last epoch."});
  visit("examples_per_second", examples_per_second, {.text = "Of this process's epochs."});
}

std::string to_text(const TrainResult& result) { return dump_json(result); }
TrainResult parse_train_result(const std::string& text) { return parse_json<TrainResult>(text, "result of a training"); }

std::vector<Statistic> statistics_of(const TrainResult& result) {
  std::vector<Statistic> list = {{"train_steps", static_cast<double>(result.steps), "steps"},
                                 {"train_loss", result.final_loss, ""},
                                 {"examples_per_second", result.examples_per_second, "1/s"}};
  for (const auto& [name, value] : result.valid) list.push_back({"valid_" + name, value, ""});
  if (result.best_epoch > 0) list.push_back({"best_epoch", result.best_epoch, "epochs"});
  return list;
}

}  // namespace dsc
