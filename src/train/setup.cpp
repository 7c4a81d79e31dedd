// The trainer before its first epoch: checks, plan, restored state, executor.
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "core/fields_json.h"
#include "core/names.h"
#include "exec/native_bf16.h"
#include "train/trainer.h"

namespace dsc {
namespace {

constexpr std::string_view kOptimizerPrefix = "optimizer/", kAveragePrefix = "average/", kBestPrefix = "best/", kExtraPrefix = "extra/";

std::map<std::string, at::Tensor> with_prefix(const std::map<std::string, at::Tensor>& tensors, std::string_view prefix) {
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found[name.substr(prefix.size())] = tensor;
  }
  return found;
}

void add_prefixed(std::map<std::string, at::Tensor>& to, const std::map<std::string, at::Tensor>& from, std::string_view prefix) {
  for (const auto& [name, tensor] : from) to[std::string(prefix) + name] = tensor;
}

}  // namespace

bool uses_bf16(const TrainOptions& options, const std::string& device) {
  return options.bf16 == Bf16::automatic ? has_native_bf16(device) : options.bf16 == Bf16::on;
}

bool uses_channels_last(const TrainOptions& options, const Graph& graph) {
  if (!options.channels_last) return false;
  return std::any_of(graph.inputs().begin(), graph.inputs().end(), [](const GraphInput& input) {
    return input.kind == InputKind::user && input.value && input.value->is_tensor() && input.value->tensor().rank() == 4;
  });
}

TrainPlan plan_training(std::int64_t examples, std::int64_t batch, const TrainOptions& options) {
  TrainPlan plan;
  plan.drop_last = examples >= batch;
  plan.batches = plan.drop_last ? examples / batch : 1;
  plan.steps_per_epoch = (plan.batches + options.accumulate - 1) / options.accumulate;
  if (options.epochs <= 0) return plan;
  plan.steps = std::max<std::int64_t>(1, std::llround(options.epochs * static_cast<double>(plan.steps_per_epoch)));
  plan.epochs = (plan.steps + plan.steps_per_epoch - 1) / plan.steps_per_epoch;
  return plan;
}

bool needs_monitor(const TrainOptions& options) { return options.keep == KeepWeights::best || options.patience > 0; }

void check_monitor(const Model& model, const TrainOptions& options, const TrainHooks& hooks, PassContext& context) {
  if (!needs_monitor(options) && !hooks.decay_factor) return;
  const std::string what = options.keep == KeepWeights::best ? "keep: best" : options.patience > 0 ? "patience" : "weight decay that follows validations";
  if (!context.has_data(Split::valid)) {
    throw Error(ErrorCode::recipe, what + " needs a validation split, and the recipe has none", {},
                "add data.valid, for example the last part of the training data: split: \"train[-5000:]\"");
  }
  if (context.data(Split::valid).size() == 0) throw Error(ErrorCode::data, what + " needs a validation split, and data.valid is empty");
  choose_monitor(context.evaluate(model, Split::valid, 1), options.monitor);  // a rehearsal knows the names
}

void check_batches(const Model& model, const TrainOptions& options, const TrainHooks& hooks, PassContext& context) {
  if (!context.has_data(Split::train)) return;
  const Dataset& data = context.data(Split::train);
  if (data.info().fixed_batch > 0) check_fixed_batch(data);
  if (hooks.executor.freeze_batch_norm) return;
  std::set<std::string> frozen(hooks.frozen.begin(), hooks.frozen.end());
  for (const auto& name : frozen_parameters(model, options)) frozen.insert(name);
  check_batch_norms(model.graph, std::min(batch_size(data, options.batch), data.size()), frozen);
}

void check_adversarial(const TrainOptions& options, PassContext& context) {
  if (!options.adversarial || !context.has_data(Split::train)) return;
  if (auto problem = problem_with_attack(name_of(*options.adversarial), context.data(Split::train).info())) {
    problem->place.pointer = "/adversarial";
    throw Error(ErrorCode::data, std::vector<Problem>{*problem});
  }
}

void check_processes(const Model& model, const TrainOptions& options, PassContext& context) {
  const auto processes = processes_of(context);
  if (processes == 1 || !context.has_data(Split::train)) return;
  const Dataset& data = context.data(Split::train);
  auto problems = check_parallel(model, std::min(batch_size(data, options.batch), data.size()), processes);
  if (!problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
}

void TrainProgress::fields(FieldVisitor& visit) {
  visit("step", step, {.text = "Steps taken."});
  visit("loss", loss, {.text = "Mean loss of the last epoch."});
  visit("valid", valid, {.text = "Last validation."});
  visit("best_valid", best_valid, {.text = "Best validation."});
  visit("monitor", monitor, {.text = "Which validation was best."});
  visit("validations", validations, {.text = "The monitored metric of each, smaller is better."});
  visit("stopped", stopped, {.text = "Whether training has ended early."});
}

std::string to_text(const TrainProgress& progress) { return dump_json(progress); }
TrainProgress parse_train_progress(const std::string& text) { return parse_json<TrainProgress>(text, "state of a training"); }

Trainer::Trainer(Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks, PassContext& context)
    : model_(model), options_(options), objective_(objective), hooks_(hooks), context_(context), ranks_(ranks_of(context)), data_(context.data(Split::train)) {
  if (data_.size() == 0) throw Error(ErrorCode::data, "the training data is empty: " + data_.info().description);
  plan_ = plan_training(data_.size(), batch_size(data_, options.batch), options);
  // The model's tensors are about to change in place: let go of whoever shares them (a teacher, a file's memory map).
  model_.weights = model_.weights.clone();
  restore_or_start();
}

void Trainer::restore_or_start() {
  const auto saved = context_.restore(model_);
  if (saved) {
    progress_ = parse_train_progress(saved->text);
    progress_.epoch = saved->position;
  }
  make_executor();
  optimizer_.emplace(options_.optimizer, [&] {
    auto names = names_;
    for (const auto& [name, tensor] : hooks_.extra_parameters) names.push_back(name);
    return names;
  }());
  if (options_.weight_ema) average_.emplace(*options_.weight_ema, names_);
  if (saved) {
    load_tensors(saved->tensors);
  } else {
    optimizer_->load(hooks_.optimizer_state);
  }
}

void Trainer::make_executor() {
  auto options = hooks_.executor;
  options.training = true;
  options.device = context_.device();
  options.channels_last = channels_last_ = uses_channels_last(options_, model_.graph);
  if (uses_bf16(options_, context_.device())) options.autocast = ScalarType::bf16;
  if (auto problems = check_frozen(model_, options_); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  options.frozen.insert(hooks_.frozen.begin(), hooks_.frozen.end());
  for (const auto& name : frozen_parameters(model_, options_)) options.frozen.insert(name);
  executor_ = std::make_unique<Executor>(model_, options);
  if (options_.adversarial) adversary_ = std::make_unique<Adversary>(model_.graph, model_.weights, data_.info(), *options_.adversarial, context_.device());
  for (const auto& name : executor_->parameter_names()) {
    if (options.frozen.contains(name)) {
      executor_->weight(name).set_requires_grad(false);
    } else if (executor_->weight(name).requires_grad()) {
      names_.push_back(name);
    }
  }
  if (names_.empty() && hooks_.extra_parameters.empty()) {
    throw Error(ErrorCode::recipe, "there is nothing to train: the model has no floating-point parameter that is not frozen");
  }
  for (const auto& name : hooks_.taps) {
    taps_.push_back(model_.graph.find_value(name));
    if (!taps_.back()) throw Error(ErrorCode::internal, "no value `" + name + "` to tap in the graph");
  }
}

void Trainer::load_tensors(const std::map<std::string, at::Tensor>& tensors) {
  optimizer_->load(with_prefix(tensors, kOptimizerPrefix));
  if (average_) average_->load(with_prefix(tensors, kAveragePrefix));
  best_ = with_prefix(tensors, kBestPrefix);
  const auto extra = with_prefix(tensors, kExtraPrefix);
  c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : hooks_.extra_parameters) tensor.copy_(extra.at(name));
}

SavedState Trainer::saved_state() const {
  SavedState state;
  state.position = progress_.epoch;
  state.text = to_text(progress_);
  add_prefixed(state.tensors, optimizer_->state(), kOptimizerPrefix);
  if (average_) add_prefixed(state.tensors, average_->state(), kAveragePrefix);
  add_prefixed(state.tensors, best_, kBestPrefix);
  for (const auto& [name, tensor] : hooks_.extra_parameters) state.tensors[std::string(kExtraPrefix) + name] = tensor.detach();
  return state;
}

}  // namespace dsc
