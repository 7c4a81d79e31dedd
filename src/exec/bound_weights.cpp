#include "exec/bound_weights.h"

#include <ATen/core/grad_mode.h>

#include <map>
#include <tuple>
#include <utility>

#include "dscompress/error.h"
#include "ops/op_traits.h"
#include "ops/quantization.h"
#include "ops/writes.h"

namespace dsc {
namespace {

// Kernels of a convolution, directly, scaled or through fake quantisation, may be in NHWC memory; other users of a tensor, a
// `view` say, may count on the exported strides.
bool is_convolution_weight(const Value& value) {
  if (!value.is_tensor() || value.tensor().rank() != 4 || value.uses().empty()) return false;
  for (const Use& use : value.uses()) {
    if (!use.node) return false;
    const bool as_weight = traits_of(*use.node).convolves && use.node->find_value("weight") == &value;
    const bool keeps_layout = is_fake_quantize(*use.node) || use.node->is("aten.mul.Tensor");
    if (!as_weight && !keeps_layout) return false;
  }
  return true;
}

}  // namespace

BoundWeights::BoundWeights(const Graph& graph, const Weights& weights, const ExecutorOptions& options, c10::Device device)
    : gradients_(options.training || options.record_gradients), training_(options.training), device_(device) {
  // Training counts up counters of batches; evaluation leaves the model as it is.
  const std::set<const Value*> written = options.training ? state_inputs(graph) : written_inputs(graph);
  for (const GraphInput& input : graph.inputs()) {
    if (!input.value || !input.is_weight()) continue;
    if (by_name_.contains(input.target)) continue;
    Entry entry{input.target, input.value, input.kind};
    entry.channels_last = options.channels_last && is_convolution_weight(*input.value);
    entry.is_state = written.contains(input.value);
    entry.same_as = entries_.size();
    by_name_.emplace(entry.name, entries_.size());
    entries_.push_back(std::move(entry));
  }
  tie(weights);
  for (Entry& entry : entries_) {
    if (&entries_[entry.same_as] == &entry) entry.tensor = prepare(entry, weights.get(entry.name));
  }
}

// Parameters that are one tensor under several names must be one leaf, or each would get a part of the gradient.
void BoundWeights::tie(const Weights& weights) {
  std::map<std::tuple<const void*, std::vector<std::int64_t>, std::vector<std::int64_t>>, std::size_t> seen;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].kind != InputKind::parameter) continue;
    const at::Tensor& tensor = weights.get(entries_[i].name);
    if (tensor.numel() == 0) continue;
    const auto [first, added] = seen.emplace(std::tuple(tensor.const_data_ptr(), tensor.sizes().vec(), tensor.strides().vec()), i);
    entries_[i].same_as = first->second;
    // The shared tensor takes NHWC memory only if all its names can.
    if (!added && !entries_[i].channels_last) entries_[first->second].channels_last = false;
  }
}

at::Tensor BoundWeights::prepare(const Entry& entry, const at::Tensor& tensor) const {
  const at::NoGradGuard no_grad;
  at::Tensor out = tensor.detach();
  if (out.device() != device_) out = out.to(device_);
  if (entry.channels_last) out = out.contiguous(c10::MemoryFormat::ChannelsLast);
  if (entry.is_state && out.is_alias_of(tensor)) out = out.clone();
  // Even where nothing is recorded some kernels are chosen by this flag, so evaluation keeps it as exported.
  const bool differentiable = out.is_floating_point() || out.is_complex();
  if (differentiable && (gradients_ ? entry.kind == InputKind::parameter : entry.value->tensor().requires_grad)) {
    out.set_requires_grad(true);
  }
  return out;
}

std::size_t BoundWeights::index(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw Error(ErrorCode::internal, "the executor has no weight `" + name + "`");
  return entries_[found->second].same_as;
}

void BoundWeights::put(std::vector<c10::IValue>& frame, const SlotMap& slots) const {
  for (const Entry& entry : entries_) frame[slots.at(entry.value)] = entries_[entry.same_as].tensor;
}

void BoundWeights::detach_states() {
  for (Entry& entry : entries_) {
    if (entry.is_state && entry.tensor.defined() && entry.tensor.requires_grad()) entry.tensor = entry.tensor.detach();
  }
}

at::Tensor BoundWeights::get(const std::string& name) const {
  const at::Tensor& tensor = entries_[index(name)].tensor;
  return gradients_ ? tensor : tensor.detach();
}

void BoundWeights::set(const std::string& name, at::Tensor tensor) {
  Entry& entry = entries_[index(name)];
  entry.tensor = prepare(entry, tensor);
}

std::vector<std::string> BoundWeights::parameter_names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) {
    const bool first = &entries_[entry.same_as] == &entry;
    if (entry.kind == InputKind::parameter && first && entry.tensor.is_floating_point()) names.push_back(entry.name);
  }
  return names;
}

void BoundWeights::store(Weights& weights) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> stored(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (training_ && entries_[i].is_state) continue;  // what batches left there is no weight
    at::Tensor& tensor = stored[entries_[i].same_as];
    if (!tensor.defined()) tensor = entries_[entries_[i].same_as].tensor.detach().to(c10::kCPU).contiguous();
    weights.set(entries_[i].name, tensor);
  }
}

}  // namespace dsc
