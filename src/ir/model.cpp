// Tensors by name, in the order in which they were added; models cloned and counted.
#include "dscompress/model.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/clone.h>

#include <algorithm>
#include <unordered_map>

#include "core/names.h"
#include "dscompress/error.h"
#include "ir/shared_copy.h"

namespace dsc {

struct Weights::State {
  std::vector<std::string> names;
  std::unordered_map<std::string, at::Tensor> tensors;
};

Weights::Weights() : state_(std::make_unique<State>()) {}
Weights::~Weights() = default;
Weights::Weights(const Weights& other) : state_(std::make_unique<State>(*other.state_)) {}
Weights::Weights(Weights&& other) noexcept : state_(std::exchange(other.state_, std::make_unique<State>())) {}
Weights& Weights::operator=(Weights other) {
  std::swap(state_, other.state_);
  return *this;
}

bool Weights::has(std::string_view name) const { return state_->tensors.contains(std::string(name)); }

const at::Tensor& Weights::get(std::string_view name) const {
  const auto found = state_->tensors.find(std::string(name));
  if (found == state_->tensors.end()) {
    throw Error(ErrorCode::internal, "the model has no tensor `" + std::string(name) + "`", {}, suggest(name, state_->names));
  }
  return found->second;
}

void Weights::set(std::string_view name, at::Tensor tensor) {
  const auto [entry, added] = state_->tensors.insert_or_assign(std::string(name), std::move(tensor));
  if (added) state_->names.push_back(entry->first);
}

void Weights::erase(std::string_view name) {
  if (state_->tensors.erase(std::string(name))) std::erase(state_->names, name);
}

const std::vector<std::string>& Weights::names() const { return state_->names; }

Weights Weights::clone() const {
  Weights copy;
  std::unordered_map<const void*, at::Tensor> done;  // tensors that share storage go on sharing it
  for (const auto& name : names()) {
    const auto& tensor = get(name);
    auto& made = done[tensor.unsafeGetTensorImpl()];
    if (!made.defined()) made = tensor.detach().clone();
    copy.set(name, made);
  }
  return copy;
}

Model Model::clone() const {
  Model copy = shared_copy(*this);
  copy.weights = weights.clone();
  return copy;
}

namespace {

// Sums `measure` over the model's tensors, each shared one once.
template <class Measure>
std::int64_t sum_over_weights(const Model& model, bool parameters_only, Measure measure) {
  std::int64_t sum = 0;
  std::vector<const void*> seen;
  for (const auto& input : model.graph.inputs()) {
    const bool counted = parameters_only ? input.kind == InputKind::parameter : input.is_weight();
    if (!counted) continue;
    const auto& tensor = model.weights.get(input.target);
    const void* identity = tensor.unsafeGetTensorImpl();
    if (std::find(seen.begin(), seen.end(), identity) != seen.end()) continue;
    seen.push_back(identity);
    sum += measure(tensor);
  }
  return sum;
}

}  // namespace

std::int64_t weight_bytes(const Model& model) {
  return sum_over_weights(model, false, [](const at::Tensor& tensor) { return static_cast<std::int64_t>(tensor.nbytes()); });
}

std::int64_t parameter_count(const Model& model) {
  return sum_over_weights(model, true, [](const at::Tensor& tensor) { return tensor.numel(); });
}

}  // namespace dsc
