// The trainer's epochs: steps, validation, saving, and the weights it ends with.
#include "train/trainer.h"

#include <ATen/Context.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "data/bad_values.h"
#include "data/move_batch.h"
#include "exec/foreign_error.h"
#include "ir/fingerprint.h"
#include "parallel/batch_rows.h"
#include "parallel/current_ranks.h"
#include "train/forecast.h"

namespace dsc {
namespace {

constexpr auto kReportInterval = std::chrono::milliseconds(500);
constexpr double kLargestScore = 1e6;  // of a network that has not diverged

void differentiate(const at::Tensor& loss) {
  try {
    loss.backward();
  } catch (const std::exception&) {
    const Error error = to_error(std::current_exception(), ErrorCode::unsupported);
    if (error.code() != ErrorCode::unsupported) throw error;
    throw Error(ErrorCode::unsupported, "the model cannot be trained as it stands: " + error.problems().front().message, {},
                "train before the pass that made it so, or export the model again in training form");
  }
}

}  // namespace

TrainResult train(Model& model, const TrainOptions& options, const Objective& objective, const TrainHooks& hooks, PassContext& context) {
  if (options.epochs <= 0) return {};
  check_monitor(model, options, hooks, context);
  check_batches(model, options, hooks, context);
  check_processes(model, options, context);
  check_adversarial(options, context);
  if (context.dry_run()) {
    if (auto* listener = dynamic_cast<ForecastListener*>(&context)) listener->forecast(forecast_training(model, options, objective, hooks, context));
    return {};
  }
  return Trainer(model, options, objective, hooks, context).run();
}

TrainResult Trainer::run() {
  c10::AutoGradMode recording(true);
  while (progress_.epoch < plan_.epochs && !progress_.stopped) {
    train_epoch();
    finish_epoch();
  }
  return finish();
}

double Trainer::learning_rate_now() const {
  const double position = static_cast<double>(progress_.step) / static_cast<double>(plan_.steps_per_epoch);
  const double factor = hooks_.lr_factor ? hooks_.lr_factor(progress_.step, plan_.steps) : 1;
  return factor * learning_rate(options_.schedule, optimizer_->base_lr(), position, options_.epochs, options_.warmup_epochs);
}

void Trainer::train_epoch() {
  const auto start = std::chrono::steady_clock::now();
  const auto epoch = progress_.epoch;
  // Everything random in an epoch follows from this, so a resumed training repeats it.
  const auto seed = derive_seed(context_.seed(), hooks_.curve_prefix + "train", static_cast<std::uint64_t>(epoch));
  at::manual_seed(ranks_.is_first() ? seed : derive_seed(seed, "rank", static_cast<std::uint64_t>(ranks_.rank())));
  if (hooks_.before_epoch) hooks_.before_epoch(*executor_, epoch);
  BatchLoader loader(data_, {.batch = options_.batch, .shuffle = true, .drop_last = plan_.drop_last, .seed = seed, .augment = true,
                             .workers = static_cast<int>(options_.workers), .channels_last = channels_last_});
  LossLog losses(epoch, context_.device() == "cpu", uses_bf16(options_, context_.device()), [&](const auto& examples) { throw_other_cause(examples); });
  const auto last_step = std::min(plan_.steps, (epoch + 1) * plan_.steps_per_epoch);
  auto batches_left = plan_.batches;
  double lr = 0;
  while (progress_.step < last_step) {
    context_.check_cancelled();
    lr = learning_rate_now();
    if (hooks_.before_step) hooks_.before_step(*executor_, progress_.step, plan_.steps);
    const auto batches = std::min(options_.accumulate, batches_left);
    accumulate_gradients(loader, losses, batches, lr);
    if (hooks_.after_backward) hooks_.after_backward(*executor_, progress_.step);
    update_weights(lr);
    batches_left -= batches;
    ++progress_.step;
    report_progress();
  }
  losses.flush();
  progress_.loss = losses.mean();
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double done = static_cast<double>(progress_.step) / static_cast<double>(plan_.steps_per_epoch);
  curve("train_loss", done, progress_.loss);
  if (!data_.lengths().empty()) curve("padding", done, loader.padding_share());
  curve("lr", done, lr);
}

void Trainer::accumulate_gradients(BatchLoader& loader, LossLog& losses, std::int64_t batches, double lr) {
  auto sums = gradient_sums();
  for (std::int64_t i = 0; i < batches; ++i) {
    auto next = loader.next();
    if (!next) throw Error(ErrorCode::internal, "the loader ended before its epoch");
    const auto batch = move_batch(std::move(*next), context_.device());
    const auto loss = objective_(forward(batch), batch);
    losses.add(loss, progress_.step, lr, batch.indices);
    if (sums && i == batches - 1) sums->follow_backward();
    differentiate(batches == 1 ? loss : loss / batches);
    examples_ += static_cast<std::int64_t>(batch.indices.size());
  }
  if (sums) sums->finish();
}

// Not every loss that is no number comes from the weights: the data may hold NaN, masks may leave scores of -inf.
void Trainer::throw_other_cause(const std::vector<std::int64_t>& examples) {
  Batch batch = data_.batch(examples, std::nullopt);
  if (const auto cause = find_bad_input(batch, data_.info())) throw Error(ErrorCode::data, "the training loss is not finite: " + cause->message, {}, cause->hint);
  batch = move_batch(std::move(batch), context_.device());
  const c10::NoGradGuard no_grad;
  for (const auto& output : executor_->run(batch.inputs)) {
    if (!output.is_floating_point() || output.numel() == 0) continue;
    // Beside an overflow lie other huge numbers, NaN and +inf.
    const auto seen = output.masked_fill(output.isneginf(), 0).abs().max();
    if (!(seen.item<double>() < kLargestScore)) return;
    if (!output.isneginf().any().item<bool>()) continue;
    throw Error(ErrorCode::numeric, "the training loss is not finite, though the weights are: scores of -inf (masked classes) take part in it", {},
                "an example's own class may be masked, label_smoothing spreads over masked classes, or the teacher does not mask what the student masks");
  }
}

// The own rows; what objectives read beside the outputs, teachers among it, stays as the data has it.
std::vector<at::Tensor> Trainer::inputs_of(const Batch& batch, const BatchRows& rows) {
  if (!adversary_) return rows.take(batch.inputs);
  if (!batch.target.defined()) throw Error(ErrorCode::data, "adversarial training needs labels, and the training data has none", {.pointer = "/adversarial"}, "give labels, or remove it");
  Batch own{.inputs = rows.take(batch.inputs), .others = {}, .target = rows.take({batch.target}).front(), .soft_target = batch.soft_target, .indices = {}};
  const auto indices = rows.take({at::tensor(batch.indices, at::kLong)}).front();
  own.indices.assign(indices.const_data_ptr<std::int64_t>(), indices.const_data_ptr<std::int64_t>() + indices.numel());
  adversary_->follow(*executor_);
  return adversary_->inputs(own, derive_seed(context_.seed(), hooks_.curve_prefix + "attack", static_cast<std::uint64_t>(progress_.step)));
}

std::vector<at::Tensor> Trainer::forward(const Batch& batch) {
  const BatchRows rows(ranks_, static_cast<std::int64_t>(batch.indices.size()));
  const auto inputs = inputs_of(batch, rows);
  const RanksScope scope(ranks_);
  if (taps_.empty()) return rows.gather(executor_->run(inputs));
  return rows.gather(executor_->run(inputs, taps_, [&](const Value& value, const at::Tensor& tensor) { hooks_.tap(value.name(), rows.gather(tensor)); }));
}

// Null: there are no others. Every step comes here: no look-up of each weight for nothing.
std::unique_ptr<GradientSums> Trainer::gradient_sums() const {
  if (ranks_.is_alone()) return nullptr;
  std::vector<at::Tensor> own, common;
  for (const auto& name : names_) own.push_back(executor_->weight(name));
  for (const auto& [name, tensor] : hooks_.extra_parameters) common.push_back(tensor);
  return std::make_unique<GradientSums>(ranks_, std::move(own), std::move(common));
}

void Trainer::update_weights(double lr) {
  auto trained = parameters();
  if (options_.clip_norm) clip_gradients(trained, *options_.clip_norm);
  optimizer_->step(trained, lr, hooks_.decay_factor ? hooks_.decay_factor(progress_.validations) : 1);
  if (!average_) return;
  trained.resize(names_.size());
  average_->update(trained);
}

std::vector<at::Tensor> Trainer::parameters() const {
  std::vector<at::Tensor> tensors;
  tensors.reserve(names_.size() + hooks_.extra_parameters.size());
  for (const auto& name : names_) tensors.push_back(executor_->weight(name));
  for (const auto& [name, tensor] : hooks_.extra_parameters) tensors.push_back(tensor);
  return tensors;
}

void Trainer::report_progress() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_report_ < kReportInterval && progress_.step < plan_.steps) return;
  last_report_ = now;
  context_.progress(hooks_.curve_prefix + "train", progress_.step, plan_.steps);
}

void Trainer::finish_epoch() {
  check_weights();
  executor_->store_weights(model_);
  check_same(ranks_, "after epoch " + std::to_string(progress_.epoch + 1) + " the weights", ranks_.is_alone() ? "" : fingerprint_of(model_));
  const double done = static_cast<double>(progress_.step) / static_cast<double>(plan_.steps_per_epoch);
  if (hooks_.after_epoch) {
    for (const auto& [name, value] : hooks_.after_epoch(*executor_, progress_.epoch)) curve(name, done, value);
  }
  ++progress_.epoch;
  const bool due = options_.validate_every > 0 && (progress_.epoch % options_.validate_every == 0 || progress_.epoch == plan_.epochs);
  if (due && context_.has_data(Split::valid)) validate(done);
  context_.save(model_, saved_state());
}

Model Trainer::averaged_model() const {
  auto model = model_.clone();
  for (const auto& [name, tensor] : average_->state()) model.weights.set(name, tensor.to(at::kCPU).contiguous().clone());
  return model;
}

void Trainer::validate(double epoch) {
  std::optional<Model> averaged;
  if (average_ && !average_->empty()) averaged.emplace(averaged_model());
  const Model& candidate = averaged ? *averaged : model_;
  progress_.valid = context_.evaluate(candidate, Split::valid);
  for (const auto& [name, value] : progress_.valid) curve("valid_" + name, epoch, value);
  if (hooks_.decay_factor) {
    const auto metric = choose_monitor(progress_.valid, options_.monitor);
    progress_.validations.push_back(metric_facts(metric).smaller_is_better ? progress_.valid.at(metric) : -progress_.valid.at(metric));
    curve("weight_decay_factor", epoch, hooks_.decay_factor(progress_.validations));
  }
  if (!needs_monitor(options_)) return;
  if (progress_.monitor.update(progress_.valid, epoch, options_.monitor)) {
    progress_.best_valid = progress_.valid;
    if (options_.keep == KeepWeights::best) {
      const auto copy = candidate.weights.clone();
      for (const auto& name : copy.names()) best_[name] = copy.get(name);
    }
  }
  progress_.stopped = options_.patience > 0 && progress_.monitor.worse >= options_.patience;
}

// A last step can spoil the weights after a loss that was still finite.
void Trainer::check_weights() const {
  const auto trained = parameters();
  std::vector<at::Tensor> values;
  for (const auto& parameter : trained) values.push_back(parameter.detach());
  std::vector<at::Tensor> norms;
  for (const auto& norm : at::_foreach_norm(values)) norms.push_back(norm.to(at::kDouble));
  const auto all = at::stack(norms).to(at::kCPU);
  for (std::size_t i = 0; i < norms.size(); ++i) {
    if (std::isfinite(all.const_data_ptr<double>()[i])) continue;
    throw Error(ErrorCode::numeric, "parameter `" + optimizer_->names()[i] + "` is not finite after epoch " +
                                        std::to_string(progress_.epoch + 1) + ", step " + std::to_string(progress_.step) +
                                        ", at learning rate " + std::to_string(learning_rate_now()),
                {}, "lower optimizer.lr, add warmup_epochs, or set clip_norm: 1");
  }
}

TrainResult Trainer::finish() {
  TrainResult result{.steps = progress_.step, .final_loss = progress_.loss, .valid = progress_.valid, .stopped_early = progress_.stopped};
  if (!best_.empty()) {
    for (const auto& [name, tensor] : best_) model_.weights.set(name, tensor);
    result.valid = progress_.best_valid;
    result.best_epoch = progress_.monitor.best_epoch;
  } else if (average_ && !average_->empty()) {
    model_.weights = averaged_model().weights;
  }
  result.examples_per_second = seconds_ > 0 ? static_cast<double>(examples_) / seconds_ : 0;
  result.optimizer_state = optimizer_->state();
  return result;
}

}  // namespace dsc
