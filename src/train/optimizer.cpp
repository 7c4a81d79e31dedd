#include "train/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// Parameters that one fused call can treat alike.
struct Group {
  double decay = 1;  // factor of the weight decay
  std::vector<at::Tensor> parameters, gradients, first, second, steps;
};

// The fused kernels walk raw memory: everything of a parameter must lie as the parameter lies.
at::Tensor laid_out_as(const at::Tensor& parameter, const at::Tensor& tensor) {
  if (tensor.is_sparse()) return laid_out_as(parameter, tensor.to_dense());
  if (tensor.strides() == parameter.strides() && tensor.device() == parameter.device() && tensor.scalar_type() == parameter.scalar_type()) return tensor;
  return at::empty_like(parameter).copy_(tensor);
}

}  // namespace

void keep_state(OptimizerState& state, const std::string& parameter, std::int64_t dim, const std::vector<std::int64_t>& indices) {
  const auto suffix = "/" + parameter;
  for (auto& [key, tensor] : state) {
    if (!key.ends_with(suffix) || key.find('/') + suffix.size() != key.size() || tensor.dim() <= dim) continue;
    tensor = tensor.index_select(dim, at::tensor(indices, at::TensorOptions(at::kLong).device(tensor.device())));
  }
}

void clip_gradients(const std::vector<at::Tensor>& parameters, double max_norm) {
  c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients, norms;
  for (const auto& parameter : parameters) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (gradients.empty()) return;
  for (const auto& norm : at::_foreach_norm(gradients)) norms.push_back(norm.to(at::kFloat));
  const auto total = at::stack(norms).norm();
  at::_foreach_mul_(gradients, (max_norm / (total + 1e-6)).clamp_max(1));  // no look at the value: the device goes on
}

struct Optimizer::State {
  OptimizerConfig config;
  std::vector<std::string> names;
  OptimizerState slots;

  bool has_momentum() const {
    const auto* sgd = std::get_if<Sgd>(&config);
    return sgd && sgd->momentum != 0;
  }
  std::vector<std::string> slot_names() const {
    if (std::holds_alternative<Sgd>(config)) return has_momentum() ? std::vector<std::string>{"momentum"} : std::vector<std::string>{};
    return {"exp_avg", "exp_avg_sq", "steps"};
  }

  const at::Tensor& slot(const char* kind, const std::string& name, const at::Tensor& parameter) {
    auto& tensor = slots[std::string(kind) + "/" + name];
    if (!tensor.defined()) return tensor = at::zeros_like(parameter);
    if (tensor.sizes() != parameter.sizes()) {
      throw Error(ErrorCode::internal, "optimiser state `" + std::string(kind) + "/" + name + "` has shape " + describe_sizes(tensor) +
                                           ", its parameter " + describe_sizes(parameter),
                  {}, "a pass that shrinks parameters must cut their state with keep_state");
    }
    return tensor = laid_out_as(parameter, tensor);
  }
  const at::Tensor& step_count(const std::string& name, const at::Tensor& parameter) {
    auto& tensor = slots["steps/" + name];
    const auto options = at::TensorOptions(at::kFloat).device(parameter.device());
    return tensor = tensor.defined() ? tensor.to(options) : at::zeros({}, options);
  }

  void add_to(std::map<std::pair<at::ScalarType, bool>, Group>& groups, const std::string& name, const at::Tensor& parameter, double decay_factor) {
    const auto& gradient = parameter.grad();
    if (!gradient.defined()) return;
    const bool decay_1d = std::visit([](const auto& c) { return c.decay_1d; }, config);
    const bool decayed = decay_1d || parameter.dim() > 1;
    auto& group = groups[{parameter.scalar_type(), decayed}];
    group.decay = decayed ? decay_factor : 0;
    group.parameters.push_back(parameter);
    group.gradients.push_back(laid_out_as(parameter, gradient));
    if (std::holds_alternative<Sgd>(config)) {
      if (has_momentum()) group.first.push_back(slot("momentum", name, parameter));
      return;
    }
    group.first.push_back(slot("exp_avg", name, parameter));
    group.second.push_back(slot("exp_avg_sq", name, parameter));
    group.steps.push_back(step_count(name, parameter));
  }
};

namespace {

void apply(const Sgd& c, Group& g, double lr) {
  // Buffers start at zero, so the first step needs no case of its own: momentum * 0 + gradient is the gradient.
  at::_fused_sgd_(g.parameters, g.gradients, g.first, c.weight_decay * g.decay, c.momentum, lr, /*dampening=*/0,
                  c.nesterov, /*maximize=*/false, /*is_first_step=*/false);
}

void apply(const Adam& c, Group& g, double lr) {
  at::_foreach_add_(g.steps, 1);
  at::_fused_adam_(g.parameters, g.gradients, g.first, g.second, {}, g.steps, lr, c.beta1, c.beta2,
                   c.weight_decay * g.decay, c.eps, /*amsgrad=*/false, /*maximize=*/false);
}

void apply(const AdamW& c, Group& g, double lr) {
  at::_foreach_add_(g.steps, 1);
  at::_fused_adamw_(g.parameters, g.gradients, g.first, g.second, {}, g.steps, lr, c.beta1, c.beta2,
                    c.weight_decay * g.decay, c.eps, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, std::vector<std::string> names)
    : state_(std::make_unique<State>(State{config, std::move(names), {}})) {}
Optimizer::~Optimizer() = default;

void Optimizer::step(Executor& executor, double lr) {
  std::vector<at::Tensor> parameters;
  parameters.reserve(state_->names.size());
  for (const auto& name : state_->names) parameters.push_back(executor.weight(name));
  step(parameters, lr);
}

void Optimizer::step(const std::vector<at::Tensor>& parameters, double lr, double decay_factor) {
  c10::NoGradGuard no_grad;
  std::map<std::pair<at::ScalarType, bool>, Group> groups;
  for (std::size_t i = 0; i < parameters.size(); ++i) state_->add_to(groups, state_->names.at(i), parameters[i], decay_factor);
  for (auto& [key, group] : groups) {
    std::visit([&](const auto& config) { apply(config, group, lr); }, state_->config);
  }
  for (const auto& parameter : parameters) parameter.mutable_grad().reset();
}

OptimizerState Optimizer::state() const { return state_->slots; }

void Optimizer::load(const OptimizerState& state) {
  const auto kinds = state_->slot_names();
  for (const auto& [key, tensor] : state) {
    const auto slash = key.find('/');
    const auto name = key.substr(slash + 1);
    if (slash == std::string::npos || std::find(kinds.begin(), kinds.end(), key.substr(0, slash)) == kinds.end() ||
        std::find(state_->names.begin(), state_->names.end(), name) == state_->names.end()) {
      throw Error(ErrorCode::internal, "the optimiser has no state `" + key + "`");
    }
    state_->slots[key] = tensor;
  }
}

double Optimizer::base_lr() const {
  return std::visit([](const auto& config) { return config.lr; }, state_->config);
}

const std::vector<std::string>& Optimizer::names() const { return state_->names; }

}  // namespace dsc
