#include "passes/quantize/live_norms.h"

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <iterator>

#include "exec/kernels/live_batch_norm.h"
#include "ops/arguments.h"
#include "ops/fold_batchnorm.h"
#include "ops/weight_channels.h"
#include "passes/quantize/rewrite.h"
#include "passes/quantize/training.h"

namespace dsc::quantize {
namespace {

const std::string& weight_name(const Model& model, const Value* value) { return model.graph.find_input(value)->target; }

FoldedNorm::Tensor tensor_of(const Model& model, const Value* value) {
  const std::string& name = weight_name(model, value);
  return {name, model.weights.get(name).detach().clone()};
}

FoldedNorm read_norm(const Model& model, const Node& layer, const Node& norm) {
  FoldedNorm read{.layer = layer.name(),
                  .weight = tensor_of(model, layer.find_value("weight")).value,
                  .mean = tensor_of(model, norm.find_value("running_mean")),
                  .variance = tensor_of(model, norm.find_value("running_var")),
                  .eps = number_of(norm, "eps").value_or(1e-5),
                  .momentum = number_of(norm, "momentum").value_or(0.1)};
  if (const Value* bias = layer.find_value("bias")) read.bias = tensor_of(model, bias).value;
  if (const Value* gamma = norm.find_value("weight")) read.gamma = tensor_of(model, gamma);
  if (const Value* beta = norm.find_value("bias")) read.beta = tensor_of(model, beta);
  return read;
}

Node* node_after(const Graph& graph, const Node* node) {
  const auto nodes = graph.nodes();
  const auto next = std::next(std::find(nodes.begin(), nodes.end(), node));
  return next == nodes.end() ? nullptr : *next;
}

Node* insert_like(Graph& graph, Node* before, std::string target, std::vector<NamedArgument> arguments, const std::string& name, Type type, const Node* origin) {
  Node* node = graph.insert(before, std::move(target), std::move(arguments), {{graph.unique_name(name), std::move(type)}});
  graph.copy_origin(node, origin);
  return node;
}

IntList int_list_of(const std::vector<std::int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }

// weight -> quantiser -> layer  becomes  weight * scale -> quantiser -> / scale -> layer
void scale_around(Graph& graph, Node* quantizer, Node* layer, const FoldedNorm& norm, Value* gamma, Value* variance) {
  Value* weight = quantizer->find_value("self");
  const WeightChannels channels = weight_channels(*layer);
  TensorType type{.dtype = weight->tensor().dtype};
  const at::Tensor spread = spread_over_weight(norm.variance.value, norm.weight.sizes(), channels);
  for (const std::int64_t size : spread.sizes()) type.sizes.push_back({.size = size});
  const Argument given = gamma ? Argument{gamma} : Argument{NoneArgument{}};
  Node* scale = insert_like(graph, quantizer, kBatchNormScale,
                            {{"weight", given}, {"running_var", variance}, {"eps", norm.eps}, {"weight_sizes", int_list_of(norm.weight.sizes().vec())},
                             {"axis", channels.axis}, {"groups", channels.groups}},
                            weight->name() + "_scale", type, layer);
  Node* scaled = insert_like(graph, quantizer, "aten.mul.Tensor", {{"self", weight}, {"other", scale->output()}}, weight->name() + "_folded", weight->type(), layer);
  graph.set_argument(quantizer, "self", scaled->output());
  Node* unscaled = insert_like(graph, layer, "aten.div.Tensor", {{"self", quantizer->output()}, {"other", scale->output()}},
                               weight->name() + "_unfolded", weight->type(), layer);
  graph.set_argument(layer, "weight", unscaled->output());
}

// The folded layer's bias becomes the norm's, so that folding again needs no new tensor.
void bring_back(Model& model, Node* layer, const FoldedNorm& norm) {
  Graph& graph = model.graph;
  Value* bias = layer->find_value("bias");
  model.weights.set(weight_name(model, bias), norm.beta ? norm.beta->value : at::zeros_like(norm.mean.value));
  graph.set_argument(layer, "bias", NoneArgument{});
  const at::Tensor mean = norm.bias ? norm.mean.value - *norm.bias : norm.mean.value;
  Value* gamma = norm.gamma ? add_tensor(model, InputKind::parameter, norm.gamma->name, norm.gamma->value) : nullptr;
  Value* running_mean = add_tensor(model, InputKind::buffer, norm.mean.name, mean);
  Value* running_var = add_tensor(model, InputKind::buffer, norm.variance.name, norm.variance.value);

  Value* weight = layer->find_value("weight");
  Node* quantizer = weight->producer();
  model.weights.set(weight_name(model, quantizer ? quantizer->find_value("self") : weight), norm.weight);
  if (quantizer) scale_around(graph, quantizer, layer, norm, gamma, running_var);
  Value* output = layer->output();
  const Argument given = gamma ? Argument{gamma} : Argument{NoneArgument{}};
  Node* live = insert_like(graph, node_after(graph, layer), kLiveBatchNorm,
                           {{"input", output}, {"weight", given}, {"bias", bias}, {"running_mean", running_mean}, {"running_var", running_var},
                            {"phase", graph.find_weight(kPhase)}, {"momentum", norm.momentum}, {"eps", norm.eps}, {"training", false}},
                           output->name() + "_norm", output->type(), layer);
  graph.replace_uses(output, live->output());
  graph.set_argument(live, "input", output);
}

void remove_weight(Model& model, const Value* value) {
  if (!value || !value->uses().empty()) return;
  const std::string name = weight_name(model, value);
  model.graph.remove_input(value);
  model.weights.erase(name);
}

// Multiplies the stored weight, and takes the nodes around its quantiser away.
void fold_scale(Model& model, Node* layer) {
  Graph& graph = model.graph;
  Node* unscaled = layer->find_value("weight")->producer();
  Node* scale = unscaled->find_value("other")->producer();
  Node* quantizer = unscaled->find_value("self")->producer();
  Node* scaled = quantizer->find_value("self")->producer();
  Value* weight = scaled->find_value("self");
  const Value* gamma = scale->find_value("weight");
  const auto tensor = [&](const Value* value) { return model.weights.get(weight_name(model, value)).detach(); };
  const at::Tensor by = batch_norm_scale(gamma ? std::optional(tensor(gamma)) : std::nullopt, tensor(scale->find_value("running_var")),
                                         number_of(*scale, "eps").value_or(1e-5), ints_or(*scale, "weight_sizes", {}), int_or(*scale, "axis", 0),
                                         int_or(*scale, "groups", 1));
  model.weights.set(weight_name(model, weight), tensor(weight) * by);  // the product that training quantised
  graph.set_argument(quantizer, "self", weight);
  graph.set_argument(layer, "weight", quantizer->output());
  for (Node* node : {unscaled, scaled, scale}) graph.erase(node);
}

void fold_norm(Model& model, Node* live) {
  Graph& graph = model.graph;
  Node* layer = live->find_value("input")->producer();
  const Value *gamma = live->find_value("weight"), *mean = live->find_value("running_mean"), *variance = live->find_value("running_var");
  const auto in_double = [&](const Value* value) { return model.weights.get(weight_name(model, value)).detach().to(at::kDouble); };
  at::Tensor scale = (in_double(variance) + number_of(*live, "eps").value_or(1e-5)).rsqrt();
  if (gamma) scale = scale * in_double(gamma);
  Value* bias = live->find_value("bias");
  model.weights.set(weight_name(model, bias), (in_double(bias) - in_double(mean) * scale).to(at::kFloat));
  const Value* weight = layer->find_value("weight");
  if (weight->producer()) {
    fold_scale(model, layer);
  } else {
    const std::string& name = weight_name(model, weight);
    const at::Tensor now = model.weights.get(name).detach();
    const at::Tensor factors = spread_over_weight(scale, now.sizes(), weight_channels(*layer));
    model.weights.set(name, (now.to(at::kDouble) * factors).to(now.scalar_type()));
  }
  graph.set_argument(layer, "bias", bias);
  graph.replace_uses(live->output(), layer->output());
  graph.erase(live);
  for (const Value* value : {gamma, mean, variance}) remove_weight(model, value);
}

}  // namespace

std::vector<FoldedNorm> fold_and_remember(Model& model) {
  const Model before = model.clone();
  std::vector<FoldedNorm> norms;
  for (const FoldedPair& pair : fold_batch_norms(model).folded) {
    const Node &layer = *before.graph.find_node(pair.layer), &norm = *before.graph.find_node(pair.batch_norm);
    if (norm.find_value("input") == layer.output()) norms.push_back(read_norm(before, layer, norm));
  }
  return norms;
}

void bring_back_norms(Model& model, const std::vector<FoldedNorm>& norms, const Precisions& precisions) {
  for (const FoldedNorm& norm : norms) {
    const auto precision = precisions.find(norm.layer);
    const bool is_cast = precision != precisions.end() && (precision->second.precision == Precision::bf16 || precision->second.precision == Precision::f16);
    Node* layer = model.graph.find_node(norm.layer);
    if (!is_cast) bring_back(model, layer, norm);
  }
}

void fold_live_norms(Model& model) {
  for (Node* node : model.graph.nodes()) {
    if (node->is(kLiveBatchNorm)) fold_norm(model, node);
  }
}

}  // namespace dsc::quantize
