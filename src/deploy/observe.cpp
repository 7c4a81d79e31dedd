#include "deploy/observe.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/view_as_real.h>

#include <cstring>
#include <mutex>
#include <unordered_map>

#include "exec/executor.h"
#include "io/sample_inputs.h"

namespace dsc {
namespace {

constexpr std::uint64_t kInputSeed = 7;
constexpr int kCallsOfState = 3;

// LibTorch's own random numbers from a known place on; where they were before when it is over.
class SeededRandomness {
 public:
  explicit SeededRandomness(std::uint64_t seed) : generator_(at::detail::getDefaultCPUGenerator()) {
    const std::lock_guard lock(generator_.mutex());
    before_ = generator_.get_state();
    generator_.set_current_seed(seed);
    start_ = generator_.get_state();
  }
  ~SeededRandomness() {
    const std::lock_guard lock(generator_.mutex());
    generator_.set_state(before_);
  }
  bool was_used() const { return !same_values(start_, generator_.get_state()); }
  SeededRandomness(const SeededRandomness&) = delete;
  SeededRandomness& operator=(const SeededRandomness&) = delete;

 private:
  at::Generator generator_;
  at::Tensor before_, start_;
};

// Parameters stay as they are, unless the graph says that it changes one.
bool may_change(const Graph& graph, const GraphInput& input) {
  if (input.kind == InputKind::buffer || input.kind == InputKind::constant) return true;
  for (const GraphOutput& output : graph.outputs()) {
    if (output.kind == OutputKind::parameter_mutation && output.target == input.target) return true;
  }
  return false;
}

// With copies of what a run may change; what was one tensor stays one.
Weights with_own_state(const Graph& graph, const Weights& weights, std::vector<std::pair<std::string, at::Tensor>>& state) {
  Weights own = weights;
  std::unordered_map<const c10::TensorImpl*, at::Tensor> copies;
  for (const GraphInput& input : graph.inputs()) {
    if (!input.is_weight() || !may_change(graph, input)) continue;
    const at::Tensor& tensor = weights.get(input.target);
    auto& copy = copies[tensor.unsafeGetTensorImpl()];
    if (!copy.defined()) copy = tensor.detach().clone();
    own.set(input.target, copy);
    state.emplace_back(input.target, copy);
  }
  return own;
}

std::vector<at::Tensor> copies_of(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.detach().clone());
  return copies;
}

std::vector<const Value*> input_values(const Graph& graph) {
  std::vector<const Value*> values;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind == InputKind::user && input.value && input.value->is_tensor()) values.push_back(input.value);
  }
  return values;
}

}  // namespace

bool same_values(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) return false;
  const at::Tensor left = a.detach().cpu().contiguous(), right = b.detach().cpu().contiguous();
  if (left.numel() == 0 || std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0) return true;
  if (a.is_complex()) return same_values(at::view_as_real(left.resolve_conj()), at::view_as_real(right.resolve_conj()));
  if (!a.is_floating_point()) return false;  // integers are their bytes
  const at::Tensor x = left.to(at::kDouble), y = right.to(at::kDouble);  // zeros of both signs, and every NaN, are equal
  return at::eq(x, y).logical_or_(at::isnan(x).logical_and_(at::isnan(y))).all().item<bool>();
}

std::vector<at::Tensor> inputs_for_check(const Model& model, std::int64_t batch) {
  auto saved = read_sample_inputs(model);
  return saved ? std::move(*saved) : example_inputs(model, batch, kInputSeed);
}

Observed observe(const Graph& graph, const Weights& weights, const std::vector<at::Tensor>& inputs, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const SeededRandomness seeded(seed);
  Observed seen;
  const Weights own = with_own_state(graph, weights, seen.state);
  const auto before = copies_of([&] {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : seen.state) tensors.push_back(tensor);
    return tensors;
  }());
  Executor executor(graph, own, {});
  const auto given = copies_of(inputs);
  for (int call = 0; call < seen.calls; ++call) {
    seen.inputs.clear();
    // The tensors that the graph itself works on, wherever the executor has put them.
    const auto outputs = executor.run(given, input_values(graph), [&](const Value&, const at::Tensor& tensor) { seen.inputs.push_back(tensor); });
    for (const at::Tensor& output : outputs) seen.outputs.push_back(output.clone());  // it may lie in memory that the next call changes
    for (std::size_t i = 0; i < before.size() && seen.calls == 1; ++i) {
      if (!same_values(before[i], seen.state[i].second)) seen.calls = kCallsOfState;
    }
  }
  seen.drew_random_numbers = seeded.was_used();
  return seen;
}

Observed observe(const Model& model, const std::vector<at::Tensor>& inputs) { return observe(model.graph, model.weights, inputs); }

}  // namespace dsc
