#include "ops/fold_batchnorm.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <optional>

#include "ops/arguments.h"
#include "ops/weight_channels.h"

namespace dsc {
namespace {

constexpr double kDefaultEps = 1e-5;

bool is_batch_norm(const Node& node) {
  return node.is("aten.batch_norm.default") || node.is("aten._native_batch_norm_legit_no_training.default");
}

enum class LayerKind { other, linear, convolution };

LayerKind kind_of(const Node& node) {
  const std::string_view op = node.op();
  if (op == "aten.linear") return LayerKind::linear;
  if (op == "aten.conv1d" || op == "aten.conv2d" || op == "aten.conv3d") return LayerKind::convolution;
  if (op == "aten.conv_transpose1d" || op == "aten.conv_transpose2d" || op == "aten.conv_transpose3d") return LayerKind::convolution;
  if (op == "aten.convolution") return LayerKind::convolution;
  return LayerKind::other;
}

// The name in Weights of an input tensor; none for anything computed.
std::optional<std::string> weight_name(const Graph& graph, const Value* value) {
  const GraphInput* input = graph.find_input(value);
  return input && input->is_weight() ? std::optional(input->target) : std::nullopt;
}

struct Fold {
  Node* layer = nullptr;
  Node* batch_norm = nullptr;
  LayerKind kind = LayerKind::other;
};

// Uses of the elements; `reshape_as` only looks at the sizes of its second operand.
std::int64_t readers(const Value* value) {
  return std::count_if(value->uses().begin(), value->uses().end(), [&](const Use& use) {
    const bool sizes_alone = use.node && (use.node->op() == "aten.reshape_as" || use.node->op() == "aten.view_as");
    return !sizes_alone || use.node->find_value("self") == value;
  });
}

// The value that reshapes were made of which only join dimensions before the last: [N, T, C] as [N * T, C].
const Value* before_joining(const Value* value) {
  while (true) {
    const Node* node = value->producer();
    const bool joins = node && (node->op() == "aten.flatten" || node->op() == "aten.view" || node->op() == "aten.reshape");
    const Value* source = joins ? node->find_value("self") : nullptr;
    if (!source || value->uses().size() != 1 || value->tensor().rank() != 2 || source->tensor().rank() < 2) return value;
    const Dim &last = source->tensor().sizes.back(), &joined = value->tensor().sizes.back();
    if (!last.is_fixed() || last != joined) return value;
    value = source;
  }
}

// Why a batch norm cannot be folded; empty when `fold` is complete.
std::string find_fold(const Graph& graph, Node* batch_norm, Fold& fold) {
  fold.batch_norm = batch_norm;
  const Value* input = batch_norm->find_value("input");
  const Value* made = input ? before_joining(input) : nullptr;
  fold.layer = made ? made->producer() : nullptr;
  fold.kind = fold.layer ? kind_of(*fold.layer) : LayerKind::other;
  if (made != input && fold.kind != LayerKind::linear) fold.kind = LayerKind::other;
  if (fold.kind == LayerKind::other) return "its input is not made by a convolution or linear layer";
  if (readers(input) != 1 || readers(made) != 1) return "the layer's output is used elsewhere too";
  const Value* weight = fold.layer->find_value("weight");
  const auto name = weight_name(graph, weight);
  if (!name) return "the layer's weight is computed (quantised already?)";
  if (weight->uses().size() != 1) return "the layer's weight is used elsewhere too";
  if (weight->tensor().rank() != input->tensor().rank()) return "the layer's channels are not dimension 1";
  if (const Value* bias = fold.layer->find_value("bias"); bias && !weight_name(graph, bias)) return "the layer's bias is computed";
  for (const char* statistic : {"running_mean", "running_var"}) {
    const Value* value = batch_norm->find_value(statistic);
    if (!value || !weight_name(graph, value)) return "it has no running statistics";
  }
  for (const char* parameter : {"weight", "bias"}) {
    const Value* value = batch_norm->find_value(parameter);
    if (value && !weight_name(graph, value)) return "its parameters are computed";
  }
  for (std::size_t i = 1; i < batch_norm->outputs().size(); ++i) {
    if (!batch_norm->output(i)->uses().empty()) return "its statistics are used";
  }
  return "";
}

at::Tensor in_double(const Model& model, const Value* value) {
  return model.weights.get(*weight_name(model.graph, value)).detach().to(at::kDouble);
}

// What batch norm does to each channel in evaluation: y = x * scale + shift.
struct Affine {
  at::Tensor scale, shift;  // f64 [C]
};
Affine affine_of(const Model& model, const Node& batch_norm) {
  at::Tensor scale = (in_double(model, batch_norm.find_value("running_var")) + number_of(batch_norm, "eps").value_or(kDefaultEps)).rsqrt();
  if (const Value* weight = batch_norm.find_value("weight")) scale = scale * in_double(model, weight);
  at::Tensor shift = -in_double(model, batch_norm.find_value("running_mean")) * scale;
  if (const Value* bias = batch_norm.find_value("bias")) shift = shift + in_double(model, bias);
  return {scale, shift};
}

std::string bias_name(const Model& model, const std::string& weight) {
  const std::string end = "weight";
  std::string wish = weight.ends_with(end) ? weight.substr(0, weight.size() - end.size()) + "bias" : weight + "_bias";
  std::string name = wish;
  for (int i = 1; model.weights.has(name); ++i) name = wish + "_" + std::to_string(i);
  return name;
}

void add_bias(Model& model, Node* layer, const std::string& weight, at::Tensor bias) {
  const std::string name = bias_name(model, weight);
  const TensorType& like = layer->find_value("weight")->tensor();
  const TensorType type{.dtype = like.dtype, .sizes = {{.size = bias.numel()}}, .device = like.device, .requires_grad = like.requires_grad};
  std::string value_name = "p_" + name;
  for (char& c : value_name) c = c == '.' ? '_' : c;
  Value* value = model.graph.add_input(InputKind::parameter, model.graph.unique_name(value_name), name, type);
  model.weights.set(name, std::move(bias));
  model.graph.set_argument(layer, "bias", value);
}

// Drops a weight's input and tensor once nothing uses it.
void drop_if_unused(Model& model, const Value* value) {
  if (!value || !value->uses().empty()) return;
  const auto name = weight_name(model.graph, value);
  if (!name) return;
  model.graph.remove_input(value);
  model.weights.erase(*name);
}

// The counter of batches beside the running mean, which only training counts up.
void drop_counter(Model& model, const std::string& running_mean) {
  const std::string end = "running_mean";
  if (!running_mean.ends_with(end)) return;
  Value* counter = model.graph.find_weight(running_mean.substr(0, running_mean.size() - end.size()) + "num_batches_tracked");
  if (!counter) return;
  const auto uses = counter->uses();
  for (const Use& use : uses) {
    const bool counts = use.node && use.node->is("aten.add_.Tensor") && use.node->output()->uses().empty();
    if (counts) model.graph.erase(use.node);
  }
  drop_if_unused(model, counter);
}

void apply(Model& model, const Fold& fold) {
  Graph& graph = model.graph;
  const auto [scale, shift] = affine_of(model, *fold.batch_norm);
  const std::string weight = *weight_name(graph, fold.layer->find_value("weight"));
  const at::Tensor before = model.weights.get(weight);
  const at::Tensor factors = spread_over_weight(scale, before.sizes(), weight_channels(*fold.layer));
  model.weights.set(weight, (before.detach().to(at::kDouble) * factors).to(before.scalar_type()));
  Value* old_bias = fold.layer->find_value("bias");
  const at::Tensor bias = (old_bias ? in_double(model, old_bias) * scale + shift : shift).to(before.scalar_type());
  if (old_bias && old_bias->uses().size() == 1) {
    model.weights.set(*weight_name(graph, old_bias), bias);
  } else {
    add_bias(model, fold.layer, weight, bias);
  }
  std::vector<const Value*> parameters;
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) parameters.push_back(fold.batch_norm->find_value(name));
  const std::string running_mean = *weight_name(graph, parameters[2]);
  graph.replace_uses(fold.batch_norm->output(), fold.batch_norm->find_value("input"));
  graph.erase(fold.batch_norm);
  for (const Value* parameter : parameters) drop_if_unused(model, parameter);
  drop_counter(model, running_mean);
}

std::string module_of(const Node& node) { return node.module_path().empty() ? node.name() : node.module_path(); }

}  // namespace

FoldReport fold_batch_norms(Model& model, const std::function<bool(const Node&)>& select) {
  FoldReport report;
  for (Node* node : model.graph.nodes()) {
    if (!is_batch_norm(*node) || (select && !select(*node))) continue;
    Fold fold;
    const std::string reason = find_fold(model.graph, node, fold);
    if (!reason.empty()) {
      report.kept.push_back({node->name(), module_of(*node), reason});
      continue;
    }
    report.folded.push_back({fold.layer->name(), node->name(), module_of(*fold.layer)});
    apply(model, fold);
  }
  return report;
}

}  // namespace dsc
