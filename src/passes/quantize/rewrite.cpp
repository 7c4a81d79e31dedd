#include "passes/quantize/rewrite.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "exec/convert.h"
#include "ops/arguments.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

constexpr const char* kPerTensor = "aten.fake_quantize_per_tensor_affine.default";
constexpr const char* kPerChannel = "aten.fake_quantize_per_channel_affine.default";

// Target and arguments (all but "self") of a quantiser.
struct Form {
  std::string target;
  std::vector<NamedArgument> arguments;
};

Form per_tensor_form(const QuantParams& params, QuantRange range) {
  return {kPerTensor, {{"scale", static_cast<double>(params.scale)}, {"zero_point", params.zero_point},
                       {"quant_min", range.minimum}, {"quant_max", range.maximum}}};
}

Form weight_form(Model& model, const std::string& name, const WeightGrid& grid) {
  if (!grid.axis) return per_tensor_form({grid.scale.item<float>(), grid.zero_point.item<std::int32_t>()}, grid.range);
  return {kPerChannel, {{"scale", add_tensor(model, InputKind::constant, name + "_scale", grid.scale)},
                        {"zero_point", add_tensor(model, InputKind::constant, name + "_zero_point", grid.zero_point)},
                        {"axis", *grid.axis}, {"quant_min", grid.range.minimum}, {"quant_max", grid.range.maximum}}};
}

Range covered(const QuantParams& params, QuantRange range) {
  const double scale = params.scale;
  return {static_cast<double>(range.minimum - params.zero_point) * scale, static_cast<double>(range.maximum - params.zero_point) * scale};
}

QuantizerRow activation_row(const std::string& module, const Value& value, const QuantParams& params, QuantRange range) {
  return {.module = module, .tensor = value.name(), .kind = "activation", .bits = quant_bits(range), .range = covered(params, range),
          .granularity = "tensor"};
}

QuantizerRow weight_row(const Model& model, const std::string& module, const std::string& name, const WeightGrid& grid,
                        std::optional<std::int64_t> paired_axis) {
  const at::Tensor weight = model.weights.get(name).detach();
  const auto [low, high] = at::aminmax(weight);
  const std::string granularity = grid.group > 0 ? "group " + std::to_string(grid.group) : grid.axis ? "channel" : "tensor";
  const bool is_limited = paired_axis && quant_bits(grid.range) == 8;
  return {.module = module, .tensor = name, .kind = "weight", .bits = quant_bits(grid.range),
          .range = Range{low.item<double>(), high.item<double>()}, .granularity = granularity, .grids = grid.scale.numel(),
          .narrowed = is_limited ? narrowed_grids(weight, grid, *paired_axis) : 0};
}

TensorType type_of(const at::Tensor& tensor, ScalarType dtype) {
  TensorType type{.dtype = dtype};
  for (const std::int64_t size : tensor.sizes()) type.sizes.push_back({.size = size});
  return type;
}

Node* insert_view(Graph& graph, Node* before, Value* value, const std::vector<std::int64_t>& sizes, const std::string& name) {
  TensorType type{.dtype = value->tensor().dtype};
  IntList list;
  for (const std::int64_t size : sizes) {
    type.sizes.push_back({.size = size});
    list.emplace_back(size);
  }
  Node* node = graph.insert(before, "aten.view.default", {{"self", value}, {"size", list}}, {{graph.unique_name(name), std::move(type)}});
  graph.copy_origin(node, before);
  return node;
}

// w -> view [C * groups, group] -> fake quantisation -> view
void insert_group_quantizer(Model& model, const WeightQuantizer& quantizer, const WeightGrid& grid, Form form) {
  Graph& graph = model.graph;
  const at::Tensor weight = model.weights.get(quantizer.name);
  const std::string name = quantizer.value->name() + "_quantized";
  Node* first = quantizer.uses.front().node;
  Node* rows = insert_view(graph, first, quantizer.value, {weight.numel() / grid.group, grid.group}, quantizer.value->name() + "_rows");
  form.arguments.insert(form.arguments.begin(), {"self", rows->output(), false});
  Node* quantized = graph.insert(first, form.target, std::move(form.arguments), {{graph.unique_name(name), rows->output()->type()}});
  graph.copy_origin(quantized, first);
  Node* whole = insert_view(graph, first, quantized->output(), weight.sizes().vec(), name);
  for (const Use& use : quantizer.uses) graph.replace_use(use, whole->output());
}

void become(Graph& graph, Node* node, Form form) {
  form.arguments.insert(form.arguments.begin(), {"self", node->find_value("self"), false});
  graph.set_arguments(node, std::move(form.arguments));
  graph.set_target(node, std::move(form.target));
}

}  // namespace

Value* add_tensor(Model& model, InputKind kind, const std::string& wish, const at::Tensor& tensor) {
  std::string name = wish;
  for (int i = 1; model.weights.has(name); ++i) name = wish + "_" + std::to_string(i);
  const std::string prefix = kind == InputKind::buffer ? "b_" : kind == InputKind::parameter ? "p_" : "c_";
  std::string value_name = prefix + name;
  std::replace(value_name.begin(), value_name.end(), '.', '_');
  model.weights.set(name, tensor);
  TensorType type = type_of(tensor, from_c10(tensor.scalar_type()));
  type.requires_grad = kind == InputKind::parameter;
  return model.graph.add_input(kind, model.graph.unique_name(value_name), name, std::move(type));
}

QuantizerRow insert_activation_quantizer(Model& model, const ActivationQuantizer& quantizer, const QuantParams& params, QuantRange range) {
  Form form = per_tensor_form(params, range);
  const QuantizerRow row = activation_row(quantizer.place, *quantizer.value, params, range);
  insert_quantizer(model.graph, quantizer.value, quantizer.uses, form.target, std::move(form.arguments), quantizer.value->name() + "_quantized");
  return row;
}

QuantizerRow insert_weight_quantizer(Model& model, const WeightQuantizer& quantizer, const WeightGrid& grid) {
  Form form = weight_form(model, quantizer.name, grid);
  if (grid.group > 0) insert_group_quantizer(model, quantizer, grid, std::move(form));
  else insert_quantizer(model.graph, quantizer.value, quantizer.uses, form.target, std::move(form.arguments), quantizer.value->name() + "_quantized");
  return weight_row(model, quantizer.place, quantizer.name, grid, quantizer.paired_axis);
}

QuantizerRow become_activation_quantizer(Model& model, Node* node, const QuantParams& params, QuantRange range) {
  become(model.graph, node, per_tensor_form(params, range));
  return activation_row(place_of(*node), *node->find_value("self"), params, range);
}

QuantizerRow become_weight_quantizer(Model& model, Node* node, const WeightGrid& grid, std::optional<std::int64_t> paired_axis) {
  const std::string name = model.graph.find_input(node->find_value("self"))->target;
  become(model.graph, node, weight_form(model, name, grid));
  return weight_row(model, place_of(*node), name, grid, paired_axis);
}

std::string to_text(const std::vector<QuantizerRow>& rows) {
  auto json = nlohmann::json::array();
  for (const QuantizerRow& row : rows) {
    json.push_back({{"module", row.module},
                    {"tensor", row.tensor},
                    {"kind", row.kind},
                    {"bits", row.bits},
                    {"granularity", row.granularity},
                    {"grids", row.grids},
                    {"narrowed", row.narrowed}});
    if (row.range) json.back()["range"] = {row.range->minimum, row.range->maximum};
  }
  return json.dump();
}

std::vector<QuantizerRow> parse_rows(const std::string& text) {
  std::vector<QuantizerRow> rows;
  for (const auto& json : nlohmann::json::parse(text)) {
    rows.push_back({.module = json.at("module"),
                    .tensor = json.at("tensor"),
                    .kind = json.at("kind"),
                    .bits = json.at("bits"),
                    .range = {},
                    .granularity = json.at("granularity"),
                    .grids = json.at("grids"),
                    .narrowed = json.at("narrowed")});
    if (json.contains("range")) rows.back().range = Range{json["range"].at(0), json["range"].at(1)};
  }
  return rows;
}

}  // namespace dsc::quantize
