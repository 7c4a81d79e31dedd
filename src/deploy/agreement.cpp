#include "deploy/agreement.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "deploy/observe.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "ir/shared_copy.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

constexpr int kTrials = 3;             // changed copies of a network that show how sensitive it is
constexpr double kSensitivity = 4;     // times what the changed copies move
constexpr double kQuantization = 3;    // times what quantisation changes: two independent roundings are 1.4 times apart
constexpr double kQuantizedFloor = 0.02;  // of the output's size, for outputs that quantisation happens to leave alone
// Operators such as softplus, log1p and mish compute with 1 + x inside, whose rounding is that of 1 however small the result.
constexpr double kSmallestSize = 0.5;
constexpr std::int64_t kRows = 4;
constexpr std::uint64_t kTrialSeed = 11;

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

// Relative errors of the coarsest numbers that a graph computes with.
struct Precision {
  double operation;  // of one operator: its inputs' rounding, and sums in another order
  double last_bits;  // what nobody can tell from the same number
};
Precision precision_of(const Graph& graph) {
  bool half = false, brain = false;
  for (const Node* node : graph.nodes()) {
    for (const Value* value : node->outputs()) {
      half |= value->is_tensor() && value->tensor().dtype == ScalarType::f16;
      brain |= value->is_tensor() && value->tensor().dtype == ScalarType::bf16;
    }
  }
  if (brain) return {0x1p-6, 0x1p-8};
  return half ? Precision{0x1p-9, 0x1p-11} : Precision{0x1p-19, 0x1p-22};
}

double tolerance_of(const Graph& graph) { return precision_of(graph).operation * std::sqrt(static_cast<double>(graph.node_count() + 1)); }

// An output as doubles and, beside them, what only has to be the same: NaN, infinities, integers.
struct Numbers {
  explicit Numbers(const at::Tensor& tensor) {
    const at::Tensor plain = tensor.is_complex() ? at::view_as_real(tensor.resolve_conj()) : tensor;
    values = plain.to(at::kDouble).contiguous();
    finite = values.isfinite();
    is_exact = !plain.is_floating_point();
  }
  at::Tensor values, finite;
  bool is_exact = false;
};

// How one output differs from another: places that are of another kind, and the largest distance elsewhere beyond `allowed`.
struct Difference {
  bool same_sizes = true;
  double places = 0;    // share of all numbers: NaN or infinite in one only, or unequal integers
  double largest = 0;   // of the finite ones
  double rms = 0;       // of the finite ones
};

Difference difference(const Numbers& a, const Numbers& b) {
  Difference result;
  if (a.values.sizes() != b.values.sizes()) return {.same_sizes = false};
  if (a.values.numel() == 0) return result;
  const at::Tensor both = a.finite.logical_and(b.finite);
  const at::Tensor same_special = at::eq(a.values, b.values).logical_or(a.values.isnan().logical_and(b.values.isnan()));
  at::Tensor odd = both.logical_or(same_special).logical_not();
  const at::Tensor distance = at::where(both, (a.values - b.values).abs(), 0.0);
  if (b.is_exact) odd = odd.logical_or(distance != 0);
  result.places = odd.to(at::kDouble).mean().item<double>();
  if (b.is_exact) return result;
  result.largest = distance.max().item<double>();
  result.rms = std::sqrt(distance.square().mean().item<double>());
  return result;
}

double size_of(const Numbers& output) {
  if (output.values.numel() == 0) return 0;
  return std::sqrt(at::where(output.finite, output.values, 0.0).square().mean().item<double>());
}

[[noreturn]] void refuse(std::size_t output, const std::string& what, const std::string& file) {
  throw Error(ErrorCode::numeric, "output " + std::to_string(output) + " of the converted model " + what, {.file = file},
              "an operator is converted wrongly: please report it, and deploy in another format meanwhile");
}

std::string shape_of(const at::Tensor& tensor) { return c10::str(tensor.sizes()); }

at::Tensor nudged(const at::Tensor& tensor, double last_bits, at::Generator& generator) {
  if (!tensor.is_floating_point() || tensor.element_size() < 2) return tensor;
  const at::Tensor noise = at::randn(tensor.sizes(), generator, at::TensorOptions().dtype(at::kDouble));
  return (tensor.to(at::kDouble) * (1 + last_bits * noise)).to(tensor.scalar_type());
}

// What nodes make, unless something is changed in place: then tensors are shared, and none may be replaced.
std::vector<const Value*> replaceable_values(const Graph& graph) {
  std::vector<const Value*> values;
  for (const Node* node : graph.nodes()) {
    if (has_side_effect(*node)) return {};
    for (const Value* value : node->outputs()) {
      if (value->is_tensor()) values.push_back(value);
    }
  }
  return values;
}

// The same network and inputs, with every number on the way changed in its last places.
std::vector<at::Tensor> run_nudged(const Model& model, const std::vector<at::Tensor>& inputs, int trial) {
  const double unit = precision_of(model.graph).last_bits;
  auto generator = at::detail::createCPUGenerator(kTrialSeed + static_cast<std::uint64_t>(trial));
  Weights weights = model.weights;
  for (const std::string& name : model.weights.names()) weights.set(name, nudged(model.weights.get(name), unit, generator));
  std::vector<at::Tensor> other;
  for (const at::Tensor& input : inputs) other.push_back(nudged(input, unit, generator));
  const auto values = replaceable_values(model.graph);
  if (values.empty()) return observe(model.graph, weights, other).outputs;
  const at::NoGradGuard no_grad;
  return Executor(model.graph, weights, {}).run_replacing(other, values, [&](const Value&, const at::Tensor& tensor) { return nudged(tensor, unit, generator); });
}

// Outputs that another seed changes cannot be compared number by number.
std::vector<bool> random_outputs(const Model& model, const std::vector<at::Tensor>& inputs, const Observed& expected) {
  std::vector<bool> random(expected.outputs.size(), false);
  if (!expected.drew_random_numbers) return random;
  const auto other = observe(model.graph, model.weights, inputs, kTrialSeed).outputs;
  for (std::size_t i = 0; i < random.size(); ++i) random[i] = !same_values(expected.outputs[i], other.at(i));
  return random;
}

// Both engines on the same inputs.
class Comparison {
 public:
  Comparison(Engine& engine, const Model& model, const std::vector<at::Tensor>& inputs, const std::string& file)
      : model_(model), inputs_(inputs), file_(file) {
    const Observed seen = observe(model, inputs);
    expected_ = seen.outputs;
    for (int call = 0; call < seen.calls; ++call) {
      for (at::Tensor& output : engine.run(inputs)) found_.push_back(std::move(output));
    }
    random_ = random_outputs(model, inputs, seen);
    if (found_.size() == expected_.size()) return;
    throw Error(ErrorCode::numeric, "the converted model has " + std::to_string(found_.size()) + " outputs, LibTorch makes " +
                                        std::to_string(expected_.size()), {.file = file});
  }

  const std::vector<at::Tensor>& expected() const { return expected_; }

  // returns: the largest distance found, relative to its output's size.
  double require_close() {
    double largest = 0;
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      check_sizes(i);
      if (!random_[i]) largest = std::max(largest, require_close(i));
    }
    return largest;
  }

  // `plain`: what the same graph makes without quantisers. returns: the largest distance (root mean square), relative to its
  // output's size.
  double require_as_quantized(const std::vector<at::Tensor>& plain) {
    double largest = 0;
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      check_sizes(i);
      const Numbers expected(expected_[i]), found(found_[i]), unquantized(plain.at(i));
      if (random_[i] || expected.is_exact) continue;  // a class that wins by a hair; its scores are what can be judged
      const Difference quantization = difference(unquantized, expected), deployed = difference(found, expected);
      const double allowed = kQuantization * quantization.rms + kQuantizedFloor * size_of(expected);
      if (deployed.rms > allowed || deployed.places > kQuantization * quantization.places) require_as_sensitive(i, deployed, quantization, allowed);
      if (deployed.rms > 0) largest = std::max(largest, deployed.rms / size_of(expected));
    }
    return largest;
  }

 private:
  // Few numbers may happen to be those of the network without quantisers; roundings that fall the other way tell what is theirs.
  void require_as_sensitive(std::size_t i, const Difference& deployed, const Difference& quantization, double allowed) {
    const Difference sensitive = sensitivity(i);
    const bool is_close = deployed.rms <= allowed + kSensitivity * sensitive.rms;
    if (is_close && deployed.places <= kQuantization * quantization.places + kSensitivity * sensitive.places) return;
    refuse(i,
           "is " + number(deployed.rms) + " (root mean square) from LibTorch's, where quantisation itself changes " + number(quantization.rms) +
               " and the last bits on the way " + number(sensitive.rms),
           file_);
  }

  void check_sizes(std::size_t i) const {
    if (Numbers(expected_[i]).values.sizes() == Numbers(found_[i]).values.sizes()) return;
    refuse(i, "has the shape " + shape_of(found_[i]) + ", LibTorch's " + shape_of(expected_[i]), file_);
  }

  double require_close(std::size_t i) {
    const Numbers expected(expected_[i]), found(found_[i]);
    const double size = size_of(expected), judged = std::max(size, kSmallestSize), tolerance = tolerance_of(model_.graph);
    const at::Tensor comparable = expected.finite.logical_and(found.finite);
    const at::Tensor excess = at::where(comparable, (found.values - expected.values).abs() - tolerance * expected.values.abs(), 0.0);
    const Difference seen = difference(found, expected);
    const bool is_close = expected.values.numel() == 0 || excess.max().item<double>() <= tolerance * judged;
    if (seen.places == 0 && (expected.is_exact || is_close)) return size > 0 ? seen.largest / size : 0;
    const Difference sensitive = sensitivity(i);
    if (seen.places <= kSensitivity * sensitive.places && seen.largest <= tolerance * judged + kSensitivity * sensitive.largest) {
      return size > 0 ? seen.largest / size : 0;
    }
    if (seen.places > 0) {
      refuse(i, "differs from LibTorch's in " + number(100 * seen.places) + " % of its places (integers, NaN or infinities)", file_);
    }
    refuse(i, "differs from LibTorch's by " + number(seen.largest) + ", allowed are " + number(tolerance * judged) + " and " +
                  number(kSensitivity * sensitive.largest) + " for the last bits of inputs and weights", file_);
  }

  Difference sensitivity(std::size_t i) {
    for (int trial = static_cast<int>(nudged_.size()); trial < kTrials; ++trial) {
      nudged_.push_back(run_nudged(model_, inputs_, trial));
    }
    Difference most;
    const Numbers expected(expected_[i]);
    for (const auto& outputs : nudged_) {
      const Difference one = i < outputs.size() ? difference(Numbers(outputs[i]), expected) : Difference{};
      if (!one.same_sizes) continue;
      most.places = std::max(most.places, one.places);
      most.largest = std::max(most.largest, one.largest);
      most.rms = std::max(most.rms, one.rms);
    }
    return most;
  }

  const Model& model_;
  const std::vector<at::Tensor>& inputs_;
  std::string file_;
  std::vector<at::Tensor> expected_, found_;
  std::vector<bool> random_;
  std::vector<std::vector<at::Tensor>> nudged_;
};

bool has_quantizers(const Graph& graph) {
  const auto nodes = graph.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [](const Node* node) {
    return is_fake_quantize(*node) || node->target().starts_with("quantized_decomposed.");
  });
}

}  // namespace

Model without_quantizers(const Model& model) {
  Model plain = shared_copy(model);
  for (Node* node : plain.graph.nodes()) {
    Value* input = is_fake_quantize(*node) ? node->find_value("self") : nullptr;
    if (!input || node->outputs().empty()) continue;
    plain.graph.replace_uses(node->output(), input);
    plain.graph.erase_if_dead(node);
  }
  for (const std::string& name : plain.graph.erase_dead_code(true)) plain.weights.erase(name);
  return plain;
}

std::string check_agreement(Engine& deployed, const Model& model, const MakeEngine& make, const std::string& file) {
  const auto inputs = inputs_for_check(model, kRows);
  Comparison comparison(deployed, model, inputs, file);
  if (!has_quantizers(model.graph)) return "outputs as LibTorch's within " + number(comparison.require_close());
  const Model plain = without_quantizers(model);
  const auto engine = make(plain);
  Comparison unquantized(*engine, plain, inputs, file);
  const double exactness = unquantized.require_close();
  const double distance = comparison.require_as_quantized(unquantized.expected());
  return "outputs as LibTorch's: without quantisers within " + number(exactness) + ", with them within " + number(distance) + " (rms)";
}

}  // namespace dsc
