// Fake quantisation: the native operators of training, and the pairs of quantize and dequantize of PT2E.
#include <ATen/core/Tensor.h>
#include <ATen/ops/fake_quantize_per_channel_affine.h>
#include <ATen/ops/fake_quantize_per_tensor_affine.h>
#include <ATen/ops/ones.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deploy/torch_program_builder.h"

namespace dsc {
namespace {

using Builder = TorchProgramBuilder;

// y = (clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) * scale
struct FakeQuantizeCall {
  const Value* input = nullptr;
  Argument scale, zero_point;                 // numbers or tensors
  std::optional<std::int64_t> axis = {};      // per channel
  std::int64_t quant_min = 0, quant_max = 0;
  bool rounds_zero_point = false;             // learned step sizes keep it as float
};

at::Tensor tensor_of(const Builder& builder, const Argument& argument) {
  if (const auto* number = std::get_if<double>(&argument)) return at::ones({}, at::kFloat) * *number;
  if (const auto* number = std::get_if<std::int64_t>(&argument)) return at::ones({}, at::kInt) * *number;
  if (auto* const* value = std::get_if<Value*>(&argument)) return builder.weight_of(*value);
  return {};
}

// A stored tensor, or a view of one in which each row is a group; and its name.
struct Stored {
  at::Tensor tensor;
  std::string name;
};
Stored stored(const Builder& builder, const Value* value) {
  if (const at::Tensor tensor = builder.weight_of(value); tensor.defined()) return {tensor, builder.model().graph.find_input(value)->target};
  const Node* view = value->producer();
  if (!view || !view->is("aten.view.default") || !value->is_tensor()) return {};
  const Value* weight = get_value(*view, 0, "self");
  const at::Tensor tensor = builder.weight_of(weight);
  std::vector<std::int64_t> sizes;
  for (const Dim& size : value->tensor().sizes) sizes.push_back(size.size);
  if (!tensor.defined()) return {};
  return {tensor.reshape(sizes), builder.model().graph.find_input(weight)->target};
}

at::Tensor rounded_zero_point(const FakeQuantizeCall& quantize, const at::Tensor& zero_point) {
  if (!quantize.rounds_zero_point && !at::isFloatingType(zero_point.scalar_type())) return zero_point.to(at::kInt);
  return zero_point.round().clamp(quantize.quant_min, quantize.quant_max).to(at::kInt);
}

at::Tensor quantized_values(const FakeQuantizeCall& q, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point) {
  const at::Tensor values = weight.detach().to(at::kFloat);
  if (q.axis) return at::fake_quantize_per_channel_affine(values, scale, zero_point, *q.axis, q.quant_min, q.quant_max);
  return at::fake_quantize_per_tensor_affine(values, scale.item<double>(), zero_point.item<std::int64_t>(), q.quant_min, q.quant_max);
}

// Of a weight that is stored as integers.
at::Tensor dequantized_values(const FakeQuantizeCall& q, const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(weight.dim()), 1);
  if (q.axis) sizes.at(static_cast<std::size_t>(*q.axis)) = scale.numel();
  return (weight.to(at::kFloat) - zero_point.to(at::kFloat).reshape(sizes)) * scale.reshape(sizes);
}

// Writes the operator. A weight is replaced by its quantised values first: rounding them again changes nothing, whatever
// the engine's arithmetic, so that a value half-way between two steps cannot fall on another side than in LibTorch.
void write_fake_quantize(Builder& builder, const Node& node, const FakeQuantizeCall& quantize) {
  const at::Tensor scale = tensor_of(builder, quantize.scale), raw_zero_point = tensor_of(builder, quantize.zero_point);
  const bool is_fixed = scale.defined() && raw_zero_point.defined();
  ValueId input = 0, scale_id = 0, zero_point_id = 0;
  if (is_fixed) {
    const at::Tensor zero_point = rounded_zero_point(quantize, raw_zero_point.detach());
    const at::Tensor steps = scale.detach().to(at::kFloat);
    if (const auto [weight, name] = stored(builder, quantize.input); weight.defined()) {
      const at::Tensor values = is_floating(quantize.input->tensor().dtype) ? quantized_values(quantize, weight, steps, zero_point)
                                                                            : dequantized_values(quantize, weight, steps, zero_point);
      input = builder.weight(values, name);
    }
    if (quantize.axis) {
      scale_id = builder.weight(steps, node.name() + ".scale");
      zero_point_id = builder.weight(zero_point, node.name() + ".zero_point");
    } else {
      scale_id = builder.constant(steps.item<double>());
      zero_point_id = builder.constant(zero_point.item<std::int64_t>());
    }
  } else {
    scale_id = builder.argument(quantize.scale);
    zero_point_id = builder.argument(quantize.zero_point);
  }
  if (!input) input = builder.id_of(quantize.input);
  std::vector<ValueId> inputs{input, scale_id, zero_point_id};
  if (quantize.axis) inputs.push_back(builder.constant(*quantize.axis));
  inputs.push_back(builder.constant(quantize.quant_min));
  inputs.push_back(builder.constant(quantize.quant_max));
  builder.call(quantize.axis ? "aten::fake_quantize_per_channel_affine" : "aten::fake_quantize_per_tensor_affine", std::move(inputs),
               node.output());
}

// fake_quantize_per_tensor_affine, fake_quantize_per_channel_affine, and their learnable forms.
void fake_quantize(Builder& builder, const Node& node) {
  const bool per_channel = node.op().ends_with("per_channel_affine");
  const std::size_t shift = per_channel ? 1 : 0;
  FakeQuantizeCall quantize{.input = get_value(node, 0, "self"), .scale = get_argument(node, 1, "scale"),
                        .zero_point = get_argument(node, 2, "zero_point"),
                        .quant_min = get_integer(node, 3 + shift, "quant_min"), .quant_max = get_integer(node, 4 + shift, "quant_max"),
                        .rounds_zero_point = node.op().starts_with("aten._fake_quantize_learnable")};
  if (per_channel) quantize.axis = get_integer(node, 3, "axis");
  write_fake_quantize(builder, node, quantize);
}

// The training-time operator: its ranges are as they stand.
void fused_fake_quantize(Builder& builder, const Node& node) {
  const at::Tensor enabled = builder.weight_of(get_value(node, 2, "fake_quant_on"));
  if (enabled.defined() && enabled.item<std::int64_t>() == 0) {
    return builder.bind(node.output(), builder.id_of(get_value(node, 0, "self")));
  }
  FakeQuantizeCall quantize{.input = get_value(node, 0, "self"), .scale = get_argument(node, 5, "scale"),
                        .zero_point = get_argument(node, 6, "zero_point"), .quant_min = get_integer(node, 8, "quant_min"),
                        .quant_max = get_integer(node, 9, "quant_max")};
  const Argument* per_row = node.find_argument("per_row_fake_quant");
  if (per_row && std::get<bool>(*per_row)) quantize.axis = get_integer(node, 10, "ch_axis");
  write_fake_quantize(builder, node, quantize);
}

constexpr std::string_view kDecomposed = "quantized_decomposed.";

// quantize_per_tensor(input, scale, zero_point, quant_min, quant_max, dtype) is written with its dequantize, whose
// arguments are the same.
void dequantize(Builder& builder, const Node& node) {
  const Value* integers = get_value(node, 0, "input");
  const Node* quantizer = integers->producer();
  const bool per_channel = node.op().ends_with("per_channel");
  const std::size_t shift = per_channel ? 1 : 0;
  const bool is_made_here = quantizer && quantizer->target().starts_with(kDecomposed);
  if (!is_made_here && !stored(builder, integers).tensor.defined()) {
    return builder.refuse("its input is neither a weight nor made by a quantize operator");
  }
  FakeQuantizeCall quantize{.input = is_made_here ? get_value(*quantizer, 0, "input") : integers,
                        .scale = get_argument(node, 1, per_channel ? "scales" : "scale"),
                        .zero_point = get_argument(node, 2, per_channel ? "zero_points" : "zero_point"),
                        .quant_min = get_integer(node, 3 + shift, "quant_min"),
                        .quant_max = get_integer(node, 4 + shift, "quant_max")};
  if (per_channel) quantize.axis = get_integer(node, 3, "axis");
  write_fake_quantize(builder, node, quantize);
}

void wait_for_dequantize(Builder&, const Node&) {}

// Quantised at run time: the engine does that itself (openvino_decoder.cpp says with which groups), so all of it is the input.
void dequantize_per_token(Builder& builder, const Node& node) {
  const Node* quantizer = get_value(node, 0, "input")->producer();
  if (!quantizer || quantizer->op() != "quantized_decomposed.quantize_per_token") return builder.refuse("its input is not made by quantize_per_token");
  builder.bind(node.output(), builder.id_of(get_value(*quantizer, 0, "input")));
}

// unflatten -> quantised at run time -> flatten: the row before it was split into groups.
void join_groups(Builder& builder, const Node& node) {
  const Node* quantizer = get_value(*get_value(node, 0, "self")->producer(), 0, "input")->producer();
  builder.bind(node.output(), builder.id_of(get_value(*get_value(*quantizer, 0, "input")->producer(), 0, "self")));
}

const Node* producer_of(const Node* node, std::size_t position, std::string_view name, std::string_view op) {
  const Value* value = node ? get_value(*node, position, name) : nullptr;
  return value && value->producer() && value->producer()->op() == op ? value->producer() : nullptr;
}

}  // namespace

TorchRule run_time_groups_rule(const Node& node) {
  if (!node.is("aten.flatten.using_ints")) return nullptr;
  const Node* dequantize = producer_of(&node, 0, "self", "quantized_decomposed.dequantize_per_token");
  const Node* quantize = producer_of(dequantize, 0, "input", "quantized_decomposed.quantize_per_token");
  return producer_of(quantize, 0, "input", "aten.unflatten") ? join_groups : nullptr;
}

const TorchRules& quantization_rules() {
  static const TorchRules table = {
      {"aten.fake_quantize_per_tensor_affine", fake_quantize},
      {"aten.fake_quantize_per_channel_affine", fake_quantize},
      {"aten._fake_quantize_learnable_per_tensor_affine", fake_quantize},
      {"aten._fake_quantize_learnable_per_channel_affine", fake_quantize},
      {"aten.fused_moving_avg_obs_fake_quant", fused_fake_quantize},
      {"quantized_decomposed.quantize_per_tensor", wait_for_dequantize},
      {"quantized_decomposed.quantize_per_channel", wait_for_dequantize},
      {"quantized_decomposed.choose_qparams_per_token", wait_for_dequantize},
      {"quantized_decomposed.quantize_per_token", wait_for_dequantize},
      {"quantized_decomposed.dequantize_per_token", dequantize_per_token},
      {"quantized_decomposed.dequantize_per_tensor", dequantize},
      {"quantized_decomposed.dequantize_per_channel", dequantize},
  };
  return table;
}

}  // namespace dsc
