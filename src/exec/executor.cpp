#include "exec/executor.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/cores.h"
#include "dscompress/error.h"
#include "exec/allocator.h"
#include "exec/bound_weights.h"
#include "exec/check_inputs.h"
#include "exec/convert.h"
#include "exec/kept_results.h"
#include "exec/kernels/remade_values.h"
#include "exec/plan.h"
#include "ops/writes.h"

namespace dsc {
namespace {

c10::Device find_device(const std::string& text) {
  c10::Device device = c10::kCPU;
  try {
    device = c10::Device(text);
  } catch (const c10::Error&) {
    throw Error(ErrorCode::usage, "unknown device `" + text + "`", {}, "use cpu, cuda or cuda:N");
  }
  if (device.is_cuda() && !at::hasCUDA()) {
    throw Error(ErrorCode::unsupported, "device `" + text + "` is not available to this LibTorch", {},
                "run on the cpu, or build against a LibTorch with CUDA on a machine with an NVIDIA GPU");
  }
  if (!device.is_cpu() && !device.is_cuda()) {
    throw Error(ErrorCode::unsupported, "device `" + text + "` is not supported", {}, "use cpu, cuda or cuda:N");
  }
  return device;
}

std::string engine_name(const ExecutorOptions& options) {
  std::string name = "libtorch " + std::string(to_string(options.autocast.value_or(ScalarType::f32)));
  if (options.channels_last) name += " channels_last";
  if (options.device != "cpu") name += " " + options.device;
  return name;
}

}  // namespace

// What is called when a watched value is made; returns the tensor to go on with, undefined to keep it.
using Watcher = Executor::Replace;

struct Executor::State {
  State(const Graph& model_graph, const Weights& model_weights, ExecutorOptions executor_options)
      : graph(model_graph),
        options(std::move(executor_options)),
        device(find_device(options.device)),
        plan(make_plan(graph, options, device)),
        weights(graph, model_weights, options, device),
        written(written_inputs(graph)) {
    keep_freed_memory();
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, const std::vector<const Value*>& values,
                              const Watcher& watcher);
  void bind_inputs(const std::vector<at::Tensor>& inputs, std::vector<c10::IValue>& frame) const;
  std::vector<at::Tensor> finish(std::vector<c10::IValue>& frame);
  std::vector<bool> watch_list(const std::vector<const Value*>& values) const;
  // The fastest steps that make every watched value.
  const std::vector<Step>& steps_for(const std::vector<bool>& watched) const;
  void watch(Slot slot, std::vector<c10::IValue>& frame, const Watcher& watcher) const;
  // Runs the step, or puts what it made the last time where nothing has changed since.
  void make(const Step& step, bool may_keep, std::vector<c10::IValue>& frame, std::vector<c10::IValue>& stack);

  const Graph& graph;
  ExecutorOptions options;
  c10::Device device;
  ExecutionPlan plan;
  BoundWeights weights;
  KeptResults kept;
  std::set<const Value*> written;  // inputs that a run writes into
  StepHook step_hook;
};

void Executor::State::bind_inputs(const std::vector<at::Tensor>& inputs, std::vector<c10::IValue>& frame) const {
  check_inputs(graph, inputs);
  std::size_t next = 0;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value) continue;
    const at::Tensor& given = inputs[next++];
    at::Tensor tensor = given;
    c10::IValue& entry = frame[plan.slots.at(input.value)];
    if (!input.value->is_tensor()) {
      const c10::Scalar number = tensor.item();
      entry = number.isBoolean() ? c10::IValue(number.toBool()) : c10::IValue(number);
      continue;
    }
    if (tensor.device() != device) tensor = tensor.to(device);
    if (options.channels_last && tensor.dim() == 4) tensor = tensor.contiguous(c10::MemoryFormat::ChannelsLast);
    if (written.contains(input.value) && tensor.is_alias_of(given)) tensor = tensor.clone();  // the caller's stays as it is
    entry = std::move(tensor);
  }
}

std::vector<bool> Executor::State::watch_list(const std::vector<const Value*>& values) const {
  std::vector<bool> watched(plan.values.size(), false);
  for (const Value* value : values) {
    const auto slot = plan.slots.find(value);
    if (slot == plan.slots.end()) throw Error(ErrorCode::internal, "%" + value->name() + " is not a value of this graph's plan");
    watched[slot->second] = true;
  }
  return watched;
}

const std::vector<Step>& Executor::State::steps_for(const std::vector<bool>& watched) const {
  for (std::size_t slot = 0; slot < watched.size(); ++slot) {
    if (watched[slot] && !plan.made_joined[slot]) return plan.steps;
  }
  return plan.joined;
}

void Executor::State::watch(Slot slot, std::vector<c10::IValue>& frame, const Watcher& watcher) const {
  c10::IValue& entry = frame[slot];
  if (!entry.isTensor()) return;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  at::Tensor other = watcher(*plan.values[slot], entry.toTensor());
  if (other.defined()) entry = std::move(other);
}

void Executor::State::make(const Step& step, bool may_keep, std::vector<c10::IValue>& frame, std::vector<c10::IValue>& stack) {
  const bool keeps = may_keep && !step.made_from.empty();
  if (keeps && kept.put(step, frame)) return;
  run_step(step, frame, stack);
  if (keeps) kept.keep(step, frame);
}

std::vector<at::Tensor> Executor::State::run(const std::vector<at::Tensor>& inputs, const std::vector<const Value*>& values,
                                             const Watcher& watcher) {
  std::vector<c10::IValue> frame(plan.values.size()), stack;
  bind_inputs(inputs, frame);
  weights.put(frame, plan.slots);
  const std::vector<bool> watched = values.empty() ? std::vector<bool>{} : watch_list(values);

  ModeScope scope(options.training || options.record_gradients);
  std::optional<RemadeValues> remade;
  if (options.training) remade.emplace();
  scope.enter(plan.modes.front());
  if (!watched.empty()) {
    for (const GraphInput& input : graph.inputs()) {
      if (input.value && watched[plan.slots.at(input.value)]) watch(plan.slots.at(input.value), frame, watcher);
    }
  }
  for (const Slot slot : plan.unused_inputs) frame[slot] = {};
  std::size_t mode = 0;
  for (const Step& step : steps_for(watched)) {
    if (step.mode != mode) scope.enter(plan.modes[mode = step.mode]);
    if (step_hook) step_hook(*step.node, false);
    make(step, watched.empty(), frame, stack);  // a watcher may replace a weight for one run
    if (step_hook) step_hook(*step.node, true);
    if (!watched.empty()) {
      for (const Slot slot : step.outputs) {
        if (watched[slot]) watch(slot, frame, watcher);
      }
    }
    for (const Slot slot : step.frees) frame[slot] = {};
  }
  if (mode != 0) scope.enter(plan.modes.front());
  return finish(frame);
}

std::vector<at::Tensor> Executor::State::finish(std::vector<c10::IValue>& frame) {
  std::vector<at::Tensor> outputs;
  for (const GraphOutput& output : graph.outputs()) {
    Value* const* value = std::get_if<Value*>(&output.value);
    if (!value || !*value || !frame[plan.slots.at(*value)].isTensor()) continue;
    const at::Tensor& tensor = frame[plan.slots.at(*value)].toTensor();
    if (output.kind == OutputKind::user || output.kind == OutputKind::loss) outputs.push_back(tensor);
    if (output.kind != OutputKind::buffer_mutation && output.kind != OutputKind::parameter_mutation) continue;
    const at::NoGradGuard no_grad;
    weights.get(output.target).copy_(tensor.detach());
  }
  if (options.training || options.record_gradients) weights.detach_states();
  return outputs;
}

Executor::Executor(const Model& model, ExecutorOptions options)
    : state_(std::make_unique<State>(model.graph, model.weights, std::move(options))) {}
Executor::Executor(const Graph& graph, const Weights& weights, ExecutorOptions options)
    : state_(std::make_unique<State>(graph, weights, std::move(options))) {}
Executor::~Executor() = default;

std::vector<at::Tensor> Executor::run(const std::vector<at::Tensor>& inputs) { return state_->run(inputs, {}, {}); }

std::vector<at::Tensor> Executor::run(const std::vector<at::Tensor>& inputs, const std::vector<const Value*>& values,
                                      const Tap& tap) {
  return state_->run(inputs, values, [&](const Value& value, const at::Tensor& tensor) {
    tap(value, tensor);
    return at::Tensor();
  });
}

std::vector<at::Tensor> Executor::run_replacing(const std::vector<at::Tensor>& inputs, const std::vector<const Value*>& values,
                                                const Replace& replace) {
  return state_->run(inputs, values, replace);
}

std::string Executor::name() const { return engine_name(state_->options); }
void Executor::set_step_hook(StepHook hook) { state_->step_hook = std::move(hook); }
at::Tensor Executor::weight(const std::string& name) const { return state_->weights.get(name); }
void Executor::set_weight(const std::string& name, at::Tensor tensor) { state_->weights.set(name, std::move(tensor)); }
std::vector<std::string> Executor::parameter_names() const { return state_->weights.parameter_names(); }
void Executor::store_weights(Model& model) const { state_->weights.store(model.weights); }

void set_threads(int threads) { at::set_num_threads(threads > 0 ? threads : available_cores()); }

}  // namespace dsc
