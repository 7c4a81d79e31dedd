#include "passes/quantize/rewrite.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>

#include <algorithm>

#include "exec/fake_quant.h"
#include "ops/arguments.h"
#include "ops/quantization.h"

namespace dsc::quantize {
namespace {

constexpr const char* kPerTensor = "aten.fake_quantize_per_tensor_affine.default";
constexpr const char* kPerChannel = "aten.fake_quantize_per_channel_affine.default";
constexpr const char* kStatePrefix = "quant_state.";

// A new small tensor of the model: its name in Weights and its value.
Value* add_tensor(Model& model, InputKind kind, const std::string& wish, const at::Tensor& tensor, ScalarType dtype) {
  std::string name = wish;
  for (int i = 1; model.weights.has(name); ++i) name = wish + "_" + std::to_string(i);
  std::string value_name = (kind == InputKind::buffer ? "b_" : "c_") + name;
  std::replace(value_name.begin(), value_name.end(), '.', '_');
  TensorType type{.dtype = dtype};
  for (const std::int64_t size : tensor.sizes()) type.sizes.push_back({.size = size});
  model.weights.set(name, tensor);
  return model.graph.add_input(kind, model.graph.unique_name(value_name), name, std::move(type));
}

std::vector<NamedArgument> per_tensor_arguments(const QuantParams& params, QuantRange range) {
  return {{"scale", static_cast<double>(params.scale)}, {"zero_point", params.zero_point},
          {"quant_min", range.minimum}, {"quant_max", range.maximum}};
}

Range covered(const QuantParams& params, QuantRange range) {
  const double scale = params.scale;
  return {static_cast<double>(range.minimum - params.zero_point) * scale, static_cast<double>(range.maximum - params.zero_point) * scale};
}

std::int64_t bits_of(QuantRange range) {
  std::int64_t bits = 1;
  while ((std::int64_t{1} << bits) <= range.maximum - range.minimum) ++bits;
  return bits;
}

// Target and arguments (all but "self") of a weight's quantiser.
struct WeightForm {
  std::string target;
  std::vector<NamedArgument> arguments;
  QuantizerRow row;
};
// axis: -1 for one grid for the whole tensor.
WeightForm weight_form(Model& model, const std::string& name, std::int64_t axis, QuantRange range, bool symmetric) {
  const at::Tensor weight = model.weights.get(name).detach();
  const auto [low, high] = at::aminmax(weight);
  WeightForm form;
  form.row = {.tensor = name, .kind = "weight", .bits = bits_of(range), .range = {low.item<double>(), high.item<double>()},
              .granularity = axis < 0 ? "tensor" : "channel"};
  if (axis < 0) {
    form.target = kPerTensor;
    form.arguments = per_tensor_arguments(choose_quant_params(form.row.range.minimum, form.row.range.maximum, range, symmetric), range);
    return form;
  }
  const auto [scale, zero_point] = choose_channel_params(weight, axis, range, symmetric);
  form.target = kPerChannel;
  form.arguments = {{"scale", add_tensor(model, InputKind::constant, name + "_scale", scale, ScalarType::f32)},
                    {"zero_point", add_tensor(model, InputKind::constant, name + "_zero_point", zero_point, ScalarType::i32)},
                    {"axis", axis}, {"quant_min", range.minimum}, {"quant_max", range.maximum}};
  return form;
}

std::int64_t axis_for(const WeightQuantizer& quantizer, const Options& options) {
  return options.weights.per_channel ? quantizer.channel_axis : -1;
}

// Arguments of a training quantiser turned into those of a deployed one.
void replace(Graph& graph, Node* node, std::string target, std::vector<NamedArgument> arguments) {
  arguments.insert(arguments.begin(), {"self", node->find_value("self"), false});
  graph.set_arguments(node, std::move(arguments));
  graph.set_target(node, std::move(target));
}

QuantRange range_of(const Node& node) { return {int_or(node, "quant_min", 0), int_or(node, "quant_max", 255)}; }

std::string state_name(const Model& model, const Node& node) { return model.graph.find_input(node.find_value("state"))->target; }

QuantizerRow finish_activation(Model& model, Node* node) {
  const std::string state = state_name(model, *node);
  const Value* state_value = node->find_value("state");
  const auto* s = model.weights.get(state).const_data_ptr<float>();
  const QuantRange range = range_of(*node);
  const QuantParams params = choose_quant_params(s[kRangeMin], s[kRangeMax], range, bool_or(*node, "symmetric", false));
  QuantizerRow row{.module = node->module_path(), .tensor = node->find_value("self")->name(), .kind = "activation",
                   .bits = bits_of(range), .range = covered(params, range), .granularity = "tensor"};
  replace(model.graph, node, kPerTensor, per_tensor_arguments(params, range));
  model.graph.remove_input(state_value);
  model.weights.erase(state);
  return row;
}

QuantizerRow finish_weight(Model& model, Node* node) {
  const std::string name = model.graph.find_input(node->find_value("self"))->target;
  WeightForm form = weight_form(model, name, int_or(*node, "axis", 0), range_of(*node), bool_or(*node, "symmetric", true));
  form.row.module = node->module_path();
  replace(model.graph, node, form.target, std::move(form.arguments));
  return form.row;
}

}  // namespace

void insert_training_quantizers(Model& model, const QuantPlacement& placement, const Options& options) {
  const QuantRange activation_range = activation_quant_range(options.activations.bits);
  for (std::size_t i = 0; i < placement.activations.size(); ++i) {
    const ActivationQuantizer& quantizer = placement.activations[i];
    Value* state = add_tensor(model, InputKind::buffer, kStatePrefix + std::to_string(i), make_quant_state(), ScalarType::f32);
    insert_quantizer(model.graph, quantizer.value, quantizer.uses, kObserveFakeQuant,
                     {{"state", state}, {"momentum", options.activations.momentum}, {"quant_min", activation_range.minimum},
                      {"quant_max", activation_range.maximum}, {"symmetric", options.activations.symmetric || quantizer.is_signed},
                      {"train", false}},
                     quantizer.value->name() + "_quantized");
  }
  const QuantRange weight_range = weight_quant_range(options.weights.bits, options.weights.symmetric);
  for (const WeightQuantizer& quantizer : placement.weights) {
    insert_quantizer(model.graph, quantizer.value, quantizer.uses, kFakeQuantWeight,
                     {{"axis", axis_for(quantizer, options)}, {"quant_min", weight_range.minimum},
                      {"quant_max", weight_range.maximum}, {"symmetric", options.weights.symmetric}},
                     quantizer.value->name() + "_quantized");
  }
}

std::vector<std::string> quantizer_states(const Model& model) {
  std::vector<std::string> names;
  for (const Node* node : model.graph.nodes()) {
    if (node->is(kObserveFakeQuant)) names.push_back(state_name(model, *node));
  }
  return names;
}

std::vector<QuantizerRow> finish_training_quantizers(Model& model) {
  std::vector<QuantizerRow> rows;
  for (Node* node : model.graph.nodes()) {
    if (node->is(kObserveFakeQuant)) rows.push_back(finish_activation(model, node));
    if (node->is(kFakeQuantWeight)) rows.push_back(finish_weight(model, node));
  }
  return rows;
}

std::vector<QuantizerRow> insert_quantizers(Model& model, const QuantPlacement& placement, const std::vector<Range>& ranges, const Options& options) {
  std::vector<QuantizerRow> rows;
  const QuantRange activation_range = activation_quant_range(options.activations.bits);
  for (std::size_t i = 0; i < placement.activations.size(); ++i) {
    const ActivationQuantizer& quantizer = placement.activations[i];
    const QuantParams params = choose_quant_params(ranges.at(i).minimum, ranges.at(i).maximum, activation_range,
                                                   options.activations.symmetric || quantizer.is_signed);
    insert_quantizer(model.graph, quantizer.value, quantizer.uses, kPerTensor, per_tensor_arguments(params, activation_range),
                     quantizer.value->name() + "_quantized");
    rows.push_back({.module = quantizer.place, .tensor = quantizer.value->name(), .kind = "activation", .bits = options.activations.bits,
                    .range = covered(params, activation_range), .granularity = "tensor"});
  }
  const QuantRange weight_range = weight_quant_range(options.weights.bits, options.weights.symmetric);
  for (const WeightQuantizer& quantizer : placement.weights) {
    WeightForm form = weight_form(model, quantizer.name, axis_for(quantizer, options), weight_range, options.weights.symmetric);
    insert_quantizer(model.graph, quantizer.value, quantizer.uses, form.target, std::move(form.arguments), quantizer.value->name() + "_quantized");
    form.row.module = quantizer.place;
    rows.push_back(std::move(form.row));
  }
  return rows;
}

}  // namespace dsc::quantize
