#include "ops/quantization.h"

#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fake_quantize_per_channel_affine.h>
#include <ATen/ops/fake_quantize_per_tensor_affine.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "ops/arguments.h"

namespace dsc {

// --- numbers ---

QuantRange activation_quant_range(std::int64_t bits) { return {0, (std::int64_t{1} << bits) - 1}; }

QuantRange weight_quant_range(std::int64_t bits, bool symmetric) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return {symmetric ? 1 - half : -half, half - 1};
}

QuantParams choose_quant_params(double minimum, double maximum, QuantRange range, bool symmetric) {
  const double low = std::min(minimum, 0.0), high = std::max(maximum, 0.0);
  const double steps = static_cast<double>(range.maximum - range.minimum);
  if (!(high - low > 0) || !std::isfinite(high - low)) return {1, std::clamp<std::int64_t>(0, range.minimum, range.maximum)};
  if (!symmetric) {
    const auto scale = static_cast<float>((high - low) / steps);
    if (!(scale > 0) || !std::isfinite(1 / scale)) return {1, std::clamp<std::int64_t>(0, range.minimum, range.maximum)};
    const auto zero = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(range.minimum) - low / static_cast<double>(scale)));
    return {scale, std::clamp(zero, range.minimum, range.maximum)};
  }
  const bool from_zero = range.minimum >= 0;  // integers without sign
  const std::int64_t zero = from_zero ? (low < 0 ? (range.maximum + 1) / 2 : 0) : 0;
  const auto scale = static_cast<float>(std::max(-low, high) / static_cast<double>(range.maximum - zero));
  if (!(scale > 0) || !std::isfinite(1 / scale)) return {1, zero};
  return {scale, zero};
}

ChannelParams choose_channel_params(const at::Tensor& weight, std::int64_t axis, QuantRange range, bool symmetric) {
  std::vector<std::int64_t> others;
  for (std::int64_t dim = 0; dim < weight.dim(); ++dim) {
    if (dim != axis) others.push_back(dim);
  }
  const at::Tensor values = weight.detach().to(at::kDouble);
  const at::Tensor minimum = others.empty() ? values : values.amin(others), maximum = others.empty() ? values : values.amax(others);
  const std::int64_t channels = weight.size(axis);
  ChannelParams params{at::empty({channels}, at::kFloat), at::empty({channels}, at::kInt)};
  for (std::int64_t i = 0; i < channels; ++i) {
    const QuantParams chosen = choose_quant_params(minimum.const_data_ptr<double>()[i], maximum.const_data_ptr<double>()[i], range, symmetric);
    params.scale.data_ptr<float>()[i] = chosen.scale;
    params.zero_point.data_ptr<std::int32_t>()[i] = static_cast<std::int32_t>(chosen.zero_point);
  }
  return params;
}

// --- operators ---

namespace {

// Arguments of an operator with low-precision kernels.
struct Rule {
  std::string_view op;
  std::string_view activation, weight;
  std::int64_t channel_axis;  // -1: the last
};
constexpr Rule kRules[] = {
    {"aten.conv1d", "input", "weight", 0},           {"aten.conv2d", "input", "weight", 0},
    {"aten.conv3d", "input", "weight", 0},           {"aten.convolution", "input", "weight", 0},
    {"aten.conv_transpose1d", "input", "weight", 1}, {"aten.conv_transpose2d", "input", "weight", 1},
    {"aten.conv_transpose3d", "input", "weight", 1}, {"aten.linear", "input", "weight", 0},
    {"aten.matmul", "self", "other", -1},            {"aten.mm", "self", "mat2", -1},
    {"aten.bmm", "self", "mat2", -1},                {"aten.addmm", "mat1", "mat2", -1},
};

const Rule* find_rule(const Node& node) {
  const auto* found = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& rule) { return rule.op == node.op(); });
  return found == std::end(kRules) ? nullptr : found;
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
  return input && (input->kind == InputKind::parameter || input->kind == InputKind::buffer || input->kind == InputKind::constant);
}

bool takes_two_activations(const Node& node) {
  const std::string_view op = node.op();
  return op == "aten.matmul" || op == "aten.mm" || op == "aten.bmm";
}

}  // namespace

bool is_convolution(const Node& node) {
  const std::string_view op = node.op();
  return op == "aten.conv1d" || op == "aten.conv2d" || op == "aten.conv3d" ||
         (op == "aten.convolution" && !bool_or(node, "transposed", false));
}

bool is_fake_quantize(const Node& node) { return node.target().find("fake_quant") != std::string::npos; }

std::optional<QuantLayer> find_quant_layer(const Graph& graph, Node* node) {
  const Rule* rule = find_rule(*node);
  if (!rule) return std::nullopt;
  const auto input = find_use(node, rule->activation), weight = find_use(node, rule->weight);
  if (!input || !weight) return std::nullopt;
  QuantLayer layer{.node = node, .activations = {{*input}}};
  const Value* value = node->find_value(rule->weight);
  if (!is_stored(graph, value)) {
    if (!takes_two_activations(*node)) return std::nullopt;
    layer.activations.push_back({*weight, true});
    return layer;
  }
  layer.weight = weight;
  layer.channel_axis = rule->channel_axis < 0 ? value->tensor().rank() - 1 : rule->channel_axis;
  if (node->op() == "aten.convolution" && bool_or(*node, "transposed", false)) layer.channel_axis = 1;
  // Channels of a grouped transposed convolution repeat along the axis: one scale for all.
  return layer;
}

bool only_moves_elements(const Node& node) {
  static const std::set<std::string_view> kMoves = {
      "aten.slice", "aten.view", "aten.reshape", "aten.flatten", "aten.permute", "aten.transpose", "aten.squeeze",
      "aten.unsqueeze", "aten.max_pool1d", "aten.max_pool2d", "aten.max_pool3d", "aten.select", "aten.narrow", "aten.expand",
      "aten.channel_shuffle", "aten.pixel_shuffle", "aten.pixel_unshuffle", "aten.clone", "aten.contiguous"};
  if (node.op() == "aten.pad" || node.op() == "aten.constant_pad_nd") {
    const Argument* fill = node.find_argument("value");
    const auto* number = fill ? std::get_if<double>(fill) : nullptr;
    const auto* whole = fill ? std::get_if<std::int64_t>(fill) : nullptr;
    return text_or(node, "mode", "constant") == "constant" && (!number || *number == 0) && (!whole || *whole == 0);
  }
  return kMoves.contains(node.op()) && node.outputs().size() == 1;
}

Value* moved_value(const Node& node) {
  if (!only_moves_elements(node)) return nullptr;
  Value* value = node.find_value("self");
  return value ? value : node.find_value("input");
}

// --- storage ---

namespace {

double number_of(const Argument* argument) {
  if (const auto* number = argument ? std::get_if<double>(argument) : nullptr) return *number;
  const auto* whole = argument ? std::get_if<std::int64_t>(argument) : nullptr;
  return whole ? static_cast<double>(*whole) : 0;
}

std::int64_t width_of(QuantRange range) {
  std::int64_t bits = 1;
  while ((std::int64_t{1} << bits) <= range.maximum - range.minimum) ++bits;
  return bits;
}

const at::Tensor* stored_argument(const Model& model, const Node& node, std::string_view name) {
  const GraphInput* input = model.graph.find_input(node.find_value(name));
  return input && model.weights.has(input->target) ? &model.weights.get(input->target) : nullptr;
}

// Reads what one fake-quantise node says; none when its scale is computed.
std::optional<QuantizedWeight> read_quantizer(const Model& model, const Node& node) {
  QuantizedWeight made;
  made.range = {int_or(node, "quant_min", 0), int_or(node, "quant_max", 255)};
  made.bits = width_of(made.range);
  if (node.is("aten.fake_quantize_per_tensor_affine.default")) {
    made.scale = at::full({}, number_of(node.find_argument("scale")), at::kFloat);
    made.zero_point = at::full({}, number_of(node.find_argument("zero_point")), at::kInt);
    return made;
  }
  const at::Tensor* scale = stored_argument(model, node, "scale");
  const at::Tensor* zero_point = stored_argument(model, node, "zero_point");
  if (!node.is("aten.fake_quantize_per_channel_affine.default") || !scale || !zero_point) return std::nullopt;
  made.scale = scale->to(at::kFloat);
  made.zero_point = zero_point->to(at::kInt);
  made.axis = int_or(node, "axis", 0);
  return made;
}

at::Tensor along_axis(const at::Tensor& per_channel, const QuantizedWeight& quantized, std::int64_t rank) {
  if (!quantized.axis) return per_channel;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rank), 1);
  shape[static_cast<std::size_t>(*quantized.axis)] = per_channel.numel();
  return per_channel.view(shape);
}

// The integers behind a fake-quantised tensor: its values are exact multiples of the scale.
at::Tensor integers_of(const at::Tensor& weight, const QuantizedWeight& q) {
  const at::Tensor snapped =
      q.axis ? at::fake_quantize_per_channel_affine(weight, q.scale, q.zero_point, *q.axis, q.range.minimum, q.range.maximum)
             : at::fake_quantize_per_tensor_affine(weight, static_cast<double>(q.scale.item<float>()), q.zero_point.item<std::int32_t>(),
                                                   q.range.minimum, q.range.maximum);
  const at::Tensor scale = along_axis(q.scale, q, weight.dim()).to(at::kDouble);
  const at::Tensor whole = (snapped.to(at::kDouble) / scale).round() + along_axis(q.zero_point, q, weight.dim());
  return whole.to(q.range.minimum < 0 ? at::kChar : at::kByte).contiguous();
}

}  // namespace

std::vector<QuantizedWeight> quantized_weights(const Model& model) {
  std::vector<QuantizedWeight> list;
  for (const GraphInput& input : model.graph.inputs()) {
    const bool stored = input.value && (input.kind == InputKind::parameter || input.kind == InputKind::buffer || input.kind == InputKind::constant);
    if (!stored || input.value->uses().size() != 1) continue;
    const Use use = input.value->uses().front();
    if (!use.node || !is_fake_quantize(*use.node) || use.node->find_value("self") != input.value) continue;
    auto quantized = read_quantizer(model, *use.node);
    if (!quantized) continue;
    quantized->name = input.target;
    quantized->values = integers_of(model.weights.get(input.target).detach().to(at::kFloat), *quantized);
    list.push_back(std::move(*quantized));
  }
  return list;
}

std::int64_t stored_bytes(const Model& model) {
  std::int64_t bytes = weight_bytes(model);
  for (const QuantizedWeight& quantized : quantized_weights(model)) {
    bytes -= static_cast<std::int64_t>(model.weights.get(quantized.name).nbytes());
    bytes += (quantized.values.numel() * quantized.bits + 7) / 8;
    if (!quantized.axis) bytes += static_cast<std::int64_t>(sizeof(float) + sizeof(std::int32_t));
  }
  return bytes;
}

}  // namespace dsc
