#include "deploy/observe.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/view_as_real.h>

#include <cstring>
#include <mutex>

#include "exec/executor.h"
#include "io/sample_inputs.h"
#include "ops/writes.h"

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

std::vector<std::string> names_of_state(const Graph& graph) {
  const auto written = written_inputs(graph);
  std::vector<std::string> names;
  for (const GraphInput& input : graph.inputs()) {
    if (input.is_weight() && written.contains(input.value)) names.push_back(input.target);
  }
  return names;
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
  const auto state = names_of_state(graph);
  seen.calls = state.empty() ? 1 : kCallsOfState;
  Executor executor(graph, weights, {});
  for (int call = 0; call < seen.calls; ++call) {
    seen.inputs.clear();
    // The tensors that the graph itself works on, wherever the executor has put them.
    const auto outputs = executor.run(inputs, input_values(graph), [&](const Value&, const at::Tensor& tensor) { seen.inputs.push_back(tensor); });
    for (const at::Tensor& output : outputs) seen.outputs.push_back(output.clone());  // it may lie in memory that the next call changes
  }
  for (const std::string& name : state) seen.state.emplace_back(name, executor.weight(name).clone());
  seen.drew_random_numbers = seeded.was_used();
  return seen;
}

Observed observe(const Model& model, const std::vector<at::Tensor>& inputs) { return observe(model.graph, model.weights, inputs); }

}  // namespace dsc
