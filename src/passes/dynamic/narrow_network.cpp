#include "passes/dynamic/narrow_network.h"

#include <ATen/ops/arange.h>

#include <map>
#include <set>

#include "core/printed.h"
#include "ir/shared_copy.h"
#include "ops/cut.h"
#include "ops/norm_weights.h"
#include "ops/parameters.h"
#include "ops/widths.h"

namespace dsc::dynamic {
namespace {

std::set<std::string> own_norms(const Graph& graph) {
  std::set<std::string> names;
  for (const auto& name : norm_parameters(graph)) {
    const GraphInput* input = graph.find_input(graph.find_weight(name));
    if (input->kind == InputKind::parameter) names.insert(name);
  }
  return names;
}

// The model with each element's place in its weight in place of the element: what a cut leaves of them says where the rest lay.
Model with_places(const Model& model) {
  Model numbered = shared_copy(model);
  std::map<const void*, at::Tensor> places;  // weights that are one tensor stay one
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind != InputKind::parameter) continue;
    const at::Tensor& tensor = model.weights.get(input.target);
    at::Tensor& made = places[tensor.unsafeGetTensorImpl()];
    if (!made.defined()) made = at::arange(tensor.numel(), at::kLong).view(tensor.sizes());
    numbered.weights.set(input.target, made);
  }
  return numbered;
}

}  // namespace

std::string private_norm(double share, const std::string& weight) { return printed("width_%g.", share) + weight; }

void add_private_norms(Model& model, double share) {
  const Model narrow = at_width(model, {.share = share, .norms = {}});
  for (const auto& name : own_norms(model.graph))
    add_parameter(model, private_norm(share, name), narrow.weights.get(name).detach().clone(), model.graph.find_weight(name));
}

NarrowNetwork::NarrowNetwork(const Model& model, double share, const ExecutorOptions& options)
    : model_(at_width(model, {.share = share, .norms = {}})) {
  const std::set<std::string> norms = own_norms(model.graph);
  const Model places = at_width(with_places(model), {.share = share, .norms = {}});
  for (const GraphInput& input : model_.graph.inputs()) {
    if (input.kind != InputKind::parameter || !input.value) continue;
    const at::Tensor& kept = places.weights.get(input.target);
    Part part{.name = input.target, .places = {}, .sizes = kept.sizes().vec()};
    if (norms.contains(input.target)) {
      part.name = private_norm(share, input.target);
    } else if (kept.sizes() != model.weights.get(input.target).sizes()) {
      part.places = kept.flatten().to(c10::Device(options.device));
    }
    parts_.emplace(input.value, std::move(part));
    values_.push_back(input.value);
  }
  model_.weights = model_.weights.clone();  // training writes running statistics, which lie where the model has them
  executor_ = std::make_unique<Executor>(model_, options);
}

std::vector<at::Tensor> NarrowNetwork::run(const Executor& whole, const std::vector<at::Tensor>& inputs) {
  return executor_->run_replacing(inputs, values_, [&](const Value& value, const at::Tensor&) {
    const Part& part = parts_.at(&value);
    const at::Tensor weight = whole.weight(part.name);
    return part.places.defined() ? weight.reshape({-1}).index_select(0, part.places).view(part.sizes) : weight;
  });
}

}  // namespace dsc::dynamic
