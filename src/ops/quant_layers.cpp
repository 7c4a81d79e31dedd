// What of a layer is quantised, from the arguments that its operator's low-precision kernels take (OpInfo::quant).
#include <algorithm>
#include <string_view>

#include "ops/arguments.h"
#include "ops/einsum.h"
#include "ops/experts.h"
#include "ops/op_info.h"
#include "ops/quantization.h"
#include "ops/weight_channels.h"

namespace dsc {
namespace {

// The other one of the two axes that channels and products take; a kernel's axes come behind them.
std::optional<std::int64_t> reduced_axis(QuantKind kind, std::int64_t channel_axis, std::int64_t rank) {
  switch (kind) {
    case QuantKind::convolution:
    case QuantKind::transposed_convolution: return 1 - channel_axis;
    case QuantKind::linear: return channel_axis == rank - 1 && rank > 1 ? rank - 2 : rank - 1;
    case QuantKind::product:
    case QuantKind::attention:
    case QuantKind::recurrent:
    case QuantKind::table:
    case QuantKind::experts: return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Use> find_use(Node* node, std::string_view name) {
  for (std::size_t i = 0; i < node->arguments().size(); ++i) {
    const NamedArgument& argument = node->arguments()[i];
    const auto* value = argument.name == name ? std::get_if<Value*>(&argument.value) : nullptr;
    if (value && *value && (*value)->is_tensor() && is_floating((*value)->tensor().dtype)) return Use{node, i, 0};
  }
  return std::nullopt;
}

bool is_stored(const Graph& graph, const Value* value) {
  const GraphInput* input = graph.find_input(value);
  return input && input->is_weight();
}

// The matrices among a list of weights; biases stay as they are.
std::vector<Use> stored_matrices(const Graph& graph, Node* node, std::string_view name) {
  std::vector<Use> uses;
  for (std::size_t i = 0; i < node->arguments().size(); ++i) {
    const auto* list = node->arguments()[i].name == name ? std::get_if<ValueList>(&node->arguments()[i].value) : nullptr;
    for (std::size_t element = 0; list && element < list->size(); ++element) {
      const Value* value = (*list)[element];
      if (is_stored(graph, value) && is_floating(value->tensor().dtype) && value->tensor().rank() == 2) uses.push_back({node, i, element});
    }
  }
  return uses;
}

// A product of activations, or what will be a linear layer (turn_einsums_into_linears).
std::optional<QuantLayer> find_einsum_layer(const Graph& graph, Node* node) {
  const auto operands = tensor_arguments(*node);
  const auto is_float = [](const Value* value) { return is_floating(value->tensor().dtype); };
  if (!is_product(*node) || !std::all_of(operands.begin(), operands.end(), is_float)) return std::nullopt;
  const auto argument = std::find_if(node->arguments().begin(), node->arguments().end(), [](const auto& a) { return a.name == "tensors"; });
  const auto use_of = [&](std::size_t i) { return Use{node, static_cast<std::size_t>(argument - node->arguments().begin()), i}; };
  if (const auto linear = find_einsum_linear(graph, *node)) {
    return QuantLayer{.node = node, .kind = QuantKind::linear, .activations = {{use_of(1 - linear->weight)}}, .weights = {use_of(linear->weight)}};
  }
  if (std::any_of(operands.begin(), operands.end(), [&](const Value* value) { return is_stored(graph, value); })) return std::nullopt;
  return QuantLayer{.node = node, .kind = QuantKind::product, .activations = {{use_of(0), ZeroPoint::symmetric}, {use_of(1), ZeroPoint::middle}}, .weights = {}};
}

}  // namespace

bool is_convolution(const Node& node) {
  const std::string_view op = node.op();
  return op == "aten.conv1d" || op == "aten.conv2d" || op == "aten.conv3d" ||
         (op == "aten.convolution" && !bool_or(node, "transposed", false));
}

bool is_fake_quantize(const Node& node) { return node.target().find("fake_quant") != std::string::npos; }

std::optional<QuantLayer> find_quant_layer(const Graph& graph, Node* node) {
  const QuantArguments* rule = find_quant_arguments(*node);
  if (!rule) return std::nullopt;
  if (node->op() == "aten.einsum") return find_einsum_layer(graph, node);
  if (const auto experts = find_expert_layer(graph, node)) {
    return QuantLayer{.node = node, .kind = QuantKind::experts, .activations = {}, .weights = {experts->stack}};
  }
  if (rule->kind == QuantKind::recurrent) {
    QuantLayer layer{.node = node, .kind = rule->kind, .activations = {}, .weights = stored_matrices(graph, node, rule->weight), .channel_axis = rule->channel_axis};
    return layer.weights.empty() ? std::nullopt : std::optional(layer);
  }
  const auto input = find_use(node, rule->activation), weight = find_use(node, rule->weight);
  if (!weight || (!input && !rule->activation.empty())) return std::nullopt;
  QuantLayer layer{.node = node, .kind = rule->kind, .activations = {}, .weights = {}};
  if (input) layer.activations.push_back({*input});
  const Value* value = node->find_value(rule->weight);
  if (rule->kind == QuantKind::attention) {
    layer.activations = {{*input, ZeroPoint::middle}, {*weight, ZeroPoint::middle}};
    return layer;
  }
  if (!is_stored(graph, value)) {
    if (rule->kind != QuantKind::product) return std::nullopt;
    layer.activations = {{*input, ZeroPoint::symmetric}, {*weight, ZeroPoint::middle}};
    return layer;
  }
  layer.weights = {*weight};
  layer.channel_axis = rule->channel_axis < 0 ? value->tensor().rank() - 1 : rule->channel_axis;
  if (rule->kind == QuantKind::product) layer.kind = QuantKind::linear;  // by a stored matrix
  if (layer.kind == QuantKind::convolution || layer.kind == QuantKind::transposed_convolution) {
    // Channels of a grouped transposed convolution repeat along the axis: one scale for all of them.
    layer.channel_axis = weight_channels(*node).axis;
    if (layer.channel_axis == 1) layer.kind = QuantKind::transposed_convolution;
  }
  layer.reduced_axis = reduced_axis(layer.kind, layer.channel_axis, value->tensor().rank());
  return layer;
}

bool only_moves_elements(const Node& node) {
  if (!traits_of(node).moves_elements || node.outputs().size() != 1) return false;
  const bool pads = node.op() == "aten.pad" || node.op() == "aten.constant_pad_nd";
  if (!pads) return true;
  return text_or(node, "mode", "constant") == "constant" && number_of(node, "value").value_or(0) == 0;
}

Value* moved_value(const Node& node) {
  if (!only_moves_elements(node)) return nullptr;
  Value* value = node.find_value("self");
  return value ? value : node.find_value("input");
}

}  // namespace dsc
