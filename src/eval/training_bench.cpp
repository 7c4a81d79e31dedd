#include "eval/training_bench.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

#include "dscompress/error.h"
#include "exec/executor.h"

namespace dsc {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kLearningRate = 1e-3, kMomentum = 0.9, kWeightDecay = 5e-4;

class TrainingBench {
 public:
  TrainingBench(const Model& model, const TrainingBenchOptions& options)
      : executor_(model, executor_options(options)), inputs_(example_inputs(model, options.batch, options.seed, options.open_size)) {
    for (const std::string& name : executor_.parameter_names()) parameters_.push_back(executor_.weight(name));
    for (const at::Tensor& parameter : parameters_) momentum_.push_back(at::zeros_like(parameter).detach());
    const at::NoGradGuard no_grad;
    const at::Tensor output = first_output();
    at::Generator generator = at::detail::createCPUGenerator(options.seed);
    const std::int64_t rows = output.numel() / output.size(-1);
    target_ = at::randint(output.size(-1), {rows}, generator, at::kLong).to(output.device());
  }

  // profile: where the step's time is booked; null: nowhere.
  double step(StepProfile* profile = nullptr) {
    const auto booked = [profile](const char* operation, const auto& body) {
      if (profile) profile->begin();
      body();
      if (profile) profile->end(nullptr, operation);
    };
    const at::Tensor output = first_output();
    at::Tensor loss;
    booked("(loss)", [&] { loss = loss_of(output); });
    {
      std::optional<StepProfile::Backward> backward;
      if (profile) backward.emplace(*profile);
      loss.backward();
    }
    booked("(optimizer)", [&] { update(); });
    if (profile) profile->end_step();
    return loss.item<double>();
  }

  void book_nodes(StepProfile& profile) {
    executor_.set_step_hook([&profile](const Node& node, bool done) { done ? profile.end(&node) : profile.begin(); });
  }

 private:
  static ExecutorOptions executor_options(const TrainingBenchOptions& options) {
    ExecutorOptions out;
    out.training = true;
    out.channels_last = options.channels_last;
    if (options.bf16) out.autocast = ScalarType::bf16;
    out.device = options.device;
    return out;
  }

  at::Tensor first_output() {
    const std::vector<at::Tensor> outputs = executor_.run(inputs_);
    if (outputs.empty() || outputs.front().dim() < 2) {
      throw Error(ErrorCode::unsupported, "training is timed with a classification loss, and the model's first output has no classes");
    }
    return outputs.front();
  }

  at::Tensor loss_of(const at::Tensor& output) const { return at::cross_entropy_loss(output.reshape({-1, output.size(-1)}).to(at::kFloat), target_); }

  void update() {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> parameters, gradients, momentum;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (!parameters_[i].grad().defined()) continue;
      parameters.push_back(parameters_[i].detach());
      gradients.push_back(parameters_[i].grad());
      momentum.push_back(momentum_[i]);
      parameters_[i].mutable_grad().reset();
    }
    at::_fused_sgd_(parameters, gradients, momentum, kWeightDecay, kMomentum, kLearningRate, 0.0, false, false, first_);
    first_ = false;
  }

  Executor executor_;
  std::vector<at::Tensor> inputs_;
  at::Tensor target_;
  std::vector<at::Tensor> parameters_, momentum_;
  bool first_ = true;
};

TrainingBenchResult summarize(std::vector<double> times, std::int64_t batch) {
  std::sort(times.begin(), times.end());
  TrainingBenchResult result;
  result.batch = batch;
  result.steps = static_cast<std::int64_t>(times.size());
  result.p50_ms = times[times.size() / 2];
  result.min_ms = times.front();
  result.mean_ms = std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  result.spread = (times[times.size() * 3 / 4] - times[times.size() / 4]) / result.p50_ms;
  result.examples_per_second = 1000.0 * static_cast<double>(batch) / result.p50_ms;
  return result;
}

void profile_steps(TrainingBench& bench, std::int64_t steps, TrainingBenchResult& result) {
  StepProfile profile;
  bench.book_nodes(profile);  // to the end: nothing is timed behind it
  const auto start = Clock::now();
  for (std::int64_t i = 0; i < steps; ++i) bench.step(&profile);
  result.profiled_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count() / static_cast<double>(steps);
  result.layers = profile.layers();
}

}  // namespace

TrainingBenchResult bench_training(Model& model, const TrainingBenchOptions& options) {
  if (options.layers && options.device != "cpu") {
    throw Error(ErrorCode::unsupported,
                "the layers of a training step are timed on the CPU only: calls for " + options.device + " return before their work is done", {},
                "use --device cpu, or leave out --layers");
  }
  TrainingBench bench(model, options);
  for (std::int64_t i = 0; i < options.warmup; ++i) bench.step();
  std::vector<double> times;
  double spent_ms = 0, loss = 0;
  const auto enough = [&] {
    if (times.empty()) return false;
    if (spent_ms >= 1000 * options.max_seconds) return true;
    return static_cast<std::int64_t>(times.size()) >= options.steps && spent_ms >= 1000 * options.min_seconds;
  };
  while (!enough()) {
    const auto start = Clock::now();
    loss = bench.step();
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
    spent_ms += times.back();
    if (!std::isfinite(loss)) throw Error(ErrorCode::numeric, "the loss is not finite after " + std::to_string(times.size()) + " steps");
    if (options.progress) options.progress(static_cast<std::int64_t>(times.size()), options.steps);
  }
  TrainingBenchResult result = summarize(std::move(times), options.batch);
  result.final_loss = loss;
  if (options.layers) profile_steps(bench, result.steps, result);
  return result;
}

}  // namespace dsc
