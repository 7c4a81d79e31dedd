#include "deploy/decomposed_form.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>

#include "deploy/torch_program_builder.h"
#include "ir/shared_copy.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

constexpr const char* kFakePerTensor = "aten.fake_quantize_per_tensor_affine.default";
constexpr const char* kFakePerChannel = "aten.fake_quantize_per_channel_affine.default";
constexpr const char* kQuantizePerTensor = "quantized_decomposed.quantize_per_tensor.default";
constexpr const char* kQuantizePerChannel = "quantized_decomposed.quantize_per_channel.default";
constexpr const char* kDequantizePerTensor = "quantized_decomposed.dequantize_per_tensor.default";
constexpr const char* kDequantizePerChannel = "quantized_decomposed.dequantize_per_channel.default";

// The integers that hold a range; none: wider than a byte.
std::optional<ScalarType> type_of(std::int64_t minimum, std::int64_t maximum) {
  if (minimum >= 0 && maximum <= 255) return ScalarType::u8;
  if (minimum >= -128 && maximum <= 127) return ScalarType::i8;
  return std::nullopt;
}

TensorType with_dtype(const Value* value, ScalarType dtype) {
  TensorType type = value->tensor();
  type.dtype = dtype;
  type.requires_grad = false;
  return type;
}

// Another tensor, and kind of input, of the same name.
Value* replace_weight(Model& model, Value* old, InputKind kind, const at::Tensor& tensor, ScalarType dtype) {
  Graph& graph = model.graph;
  const std::string target = graph.find_input(old)->target, name = old->name();
  Value* made = graph.add_input(kind, graph.unique_name(name), target, with_dtype(old, dtype));
  graph.replace_uses(old, made);
  graph.remove_input(old);
  graph.rename(made, name);
  model.weights.set(target, tensor);
  return made;
}

// --- to the exchanged form ---

// Fake quantisation takes scales as f32; of such a number the exchanged operators' inverse is the same.
Argument in_single(const Argument& scale) {
  const auto* number = std::get_if<double>(&scale);
  return number ? Argument{static_cast<double>(static_cast<float>(*number))} : scale;
}

// What quantize and dequantize share, from a fake quantisation: scale, zero point, (axis,) range, type.
std::vector<NamedArgument> exchanged_arguments(const Node& fake, Value* input, ScalarType dtype) {
  const bool per_channel = fake.is(kFakePerChannel);
  std::vector<NamedArgument> list{{"input", input}, {per_channel ? "scales" : "scale", in_single(get_argument(fake, 1, "scale"))},
                                  {per_channel ? "zero_points" : "zero_point", get_argument(fake, 2, "zero_point")}};
  const std::size_t shift = per_channel ? 1 : 0;
  if (per_channel) list.push_back({"axis", get_integer(fake, 3, "axis")});
  list.push_back({"quant_min", get_integer(fake, 3 + shift, "quant_min")});
  list.push_back({"quant_max", get_integer(fake, 4 + shift, "quant_max")});
  list.push_back({"dtype", dtype});
  return list;
}

void become_dequantize(Graph& graph, Node* fake, Value* integers, ScalarType dtype) {
  auto arguments = exchanged_arguments(*fake, integers, dtype);
  const bool per_channel = fake->is(kFakePerChannel);
  graph.set_arguments(fake, std::move(arguments));
  graph.set_target(fake, per_channel ? kDequantizePerChannel : kDequantizePerTensor);
}

void store_integers(Model& model) {
  for (const QuantizedWeight& weight : quantized_weights(model)) {
    const auto dtype = type_of(weight.grid.range.minimum, weight.grid.range.maximum);
    Value* value = model.graph.find_weight(weight.name);
    if (!dtype || value->tensor().dtype != ScalarType::f32) continue;
    Node* fake = model.graph.find_node(weight.node->name());
    replace_weight(model, value, InputKind::buffer, weight.integers(), *dtype);
    Value* integers = get_value(*fake, 0, "self");  // the weight, or a view of it
    if (integers->producer()) model.graph.set_type(integers, with_dtype(integers, *dtype));
    become_dequantize(model.graph, fake, integers, *dtype);
  }
}

void split_fake_quantize(Graph& graph, Node* fake) {
  const bool per_channel = fake->is(kFakePerChannel);
  if (!per_channel && !fake->is(kFakePerTensor)) return;
  Value* input = get_value(*fake, 0, "self");
  const std::size_t shift = per_channel ? 1 : 0;
  const auto dtype = type_of(get_integer(*fake, 3 + shift, "quant_min"), get_integer(*fake, 4 + shift, "quant_max"));
  if (!dtype || input->tensor().dtype != ScalarType::f32) return;
  Node* quantize = graph.insert(fake, per_channel ? kQuantizePerChannel : kQuantizePerTensor, exchanged_arguments(*fake, input, *dtype),
                                {{graph.unique_name(fake->name() + "_integers"), with_dtype(fake->output(), *dtype)}});
  graph.copy_origin(quantize, fake);
  become_dequantize(graph, fake, quantize->output(), *dtype);
}

// --- back ---

// A quantize or dequantize, as far as both say the same.
struct Said {
  Argument scale, zero_point;
  std::optional<std::int64_t> axis;
  std::int64_t quant_min = 0, quant_max = 0;
  bool operator==(const Said&) const = default;
};

Said said_by(const Node& node) {
  const bool per_channel = node.op().ends_with("per_channel");
  const std::size_t shift = per_channel ? 1 : 0;
  Said said{.scale = get_argument(node, 1, per_channel ? "scales" : "scale"), .zero_point = get_argument(node, 2, per_channel ? "zero_points" : "zero_point"),
            .axis = {}, .quant_min = get_integer(node, 3 + shift, "quant_min"), .quant_max = get_integer(node, 4 + shift, "quant_max")};
  if (per_channel) said.axis = get_integer(node, 3, "axis");
  return said;
}

class Reader {
 public:
  explicit Reader(Model& model) : model_(model), graph_(model.graph) {}

  void run() {
    for (Node* node : graph_.nodes()) {
      const bool known = node->is(kDequantizePerTensor) || node->is(kDequantizePerChannel);
      if (known && node->output()->tensor().dtype == ScalarType::f32) read(node);
    }
    for (Node* node : graph_.nodes()) {
      if (node->is(kQuantizePerTensor) || node->is(kQuantizePerChannel)) graph_.erase_if_dead(node);
    }
  }

 private:
  void read(Node* node) {
    const Said said = said_by(*node);
    if (said.axis && !has_stored_grids(said)) return;
    Value* integers = get_value(*node, 0, "input");
    const Node* quantize = integers->producer();
    if (quantize && (quantize->is(kQuantizePerTensor) || quantize->is(kQuantizePerChannel))) {
      Value* input = get_value(*quantize, 0, "input");
      if (said_by(*quantize) == said && input->tensor().dtype == ScalarType::f32) become_fake(node, input, said, quantize);
    } else if (Value* weight = stored_integers(integers)) {
      store_floats(weight, integers, said);
      become_fake(node, get_value(*node, 0, "input"), said, nullptr);
    }
  }

  const GraphInput* stored(const Argument& argument) const {
    auto* const* value = std::get_if<Value*>(&argument);
    const GraphInput* input = value ? graph_.find_input(*value) : nullptr;
    return input && model_.weights.has(input->target) ? input : nullptr;
  }
  bool has_stored_grids(const Said& said) const {
    return stored(said.scale) && (stored(said.zero_point) || std::holds_alternative<NoneArgument>(said.zero_point));
  }

  // The weight that this, or a view of which this, is; null unless it serves this alone.
  Value* stored_integers(Value* integers) const {
    Value* weight = integers;
    if (const Node* view = integers->producer()) {
      if (!view->is("aten.view.default") || integers->uses().size() != 1) return nullptr;
      weight = get_value(*view, 0, "self");
    }
    return stored(Argument{weight}) && weight->uses().size() == 1 ? weight : nullptr;
  }

  at::Tensor numbers(const Argument& argument) const {
    if (const auto* number = std::get_if<double>(&argument)) return at::zeros({}, at::kFloat) + *number;
    if (const auto* number = std::get_if<std::int64_t>(&argument)) return at::zeros({}, at::kInt) + *number;
    const GraphInput* input = stored(argument);
    return input ? model_.weights.get(input->target) : at::zeros({}, at::kInt);
  }

  void store_floats(Value* weight, Value* integers, const Said& said) {
    const at::Tensor values = model_.weights.get(graph_.find_input(weight)->target);
    std::vector<std::int64_t> rows, along;
    for (const Dim& size : integers->tensor().sizes) rows.push_back(size.size);
    const at::Tensor whole = values.view(rows);
    along.assign(rows.size(), 1);
    if (said.axis) along.at(static_cast<std::size_t>(*said.axis)) = whole.size(*said.axis);
    const auto shaped = [&](const at::Tensor& tensor) { return said.axis && tensor.numel() > 1 ? tensor.view(along) : tensor; };
    const at::Tensor floats = (whole.to(at::kInt) - shaped(numbers(said.zero_point)).to(at::kInt)) * shaped(numbers(said.scale)).to(at::kFloat);
    const bool is_view = integers != weight;  // which outlives the weight
    replace_weight(model_, weight, InputKind::parameter, floats.view(values.sizes()), ScalarType::f32);
    if (is_view) graph_.set_type(integers, with_dtype(integers, ScalarType::f32));
  }

  // Several dequantize of the same integers become one.
  void become_fake(Node* node, Value* input, const Said& said, const Node* quantize) {
    if (quantize) {
      const auto [first, added] = made_.emplace(quantize, node);
      if (!added) {
        graph_.replace_uses(node->output(), first->second->output());
        graph_.erase(node);
        return;
      }
    }
    std::vector<NamedArgument> arguments{{"self", input}, {"scale", said.scale}, {"zero_point", said.axis ? zero_points(said) : said.zero_point}};
    if (said.axis) arguments.push_back({"axis", *said.axis});
    arguments.push_back({"quant_min", said.quant_min});
    arguments.push_back({"quant_max", said.quant_max});
    graph_.set_arguments(node, std::move(arguments));
    graph_.set_target(node, said.axis ? kFakePerChannel : kFakePerTensor);
  }

  // Fake quantisation wants them as i32.
  Value* zero_points(const Said& said) {
    const std::string scale = stored(said.scale)->target;
    if (const GraphInput* input = stored(said.zero_point)) {
      Value* value = input->value;
      if (value->tensor().dtype == ScalarType::i32) return value;
      return replace_weight(model_, value, input->kind, model_.weights.get(input->target).to(at::kInt), ScalarType::i32);
    }
    const std::string name = scale + "_zero_point";
    const at::Tensor zeros = at::zeros(model_.weights.get(scale).sizes(), at::kInt);
    model_.weights.set(name, zeros);
    TensorType type{.dtype = ScalarType::i32};
    for (const std::int64_t size : zeros.sizes()) type.sizes.push_back({.size = size});
    std::string value_name = "c_" + name;
    std::replace(value_name.begin(), value_name.end(), '.', '_');
    return graph_.add_input(InputKind::constant, graph_.unique_name(value_name), name, std::move(type));
  }

  Model& model_;
  Graph& graph_;
  std::unordered_map<const Node*, Node*> made_;
};

}  // namespace

Model to_decomposed_form(const Model& model) {
  Model copy = shared_copy(model);
  store_integers(copy);
  for (Node* node : copy.graph.nodes()) split_fake_quantize(copy.graph, node);
  return copy;
}

void from_decomposed_form(Model& model) { Reader(model).run(); }

}  // namespace dsc
