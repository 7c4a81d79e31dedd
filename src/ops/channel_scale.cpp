#include "ops/channel_scale.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "ops/arguments.h"
#include "ops/experts.h"
#include "ops/op_info.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

Value* read_value(const Node& node) {
  Value* value = node.find_value("self");
  return value ? value : node.find_value("input");
}

class Paths {
 public:
  explicit Paths(const Graph& graph) : graph_(graph) {}

  std::optional<ScalePath> find(Value* value) const {
    ScalePath path{.value = value};
    if (!value->is_tensor() || value->uses().empty() || !add_readers(*value, path) || !is_read_by_layers_alone(*value, path)) return std::nullopt;
    if (!add_makers(*value, path) || path.makers.empty()) return std::nullopt;
    return path;
  }

  std::optional<ScalePath> find_shared_norm(Value* value) const {
    const Node* producer = value->producer();
    if (!producer || (producer->op() != "aten.layer_norm" && producer->op() != "aten.rms_norm")) return std::nullopt;
    ScalePath path{.value = value};
    const bool is_linear = add_readers(*value, path, false) && std::all_of(path.layers.begin(), path.layers.end(), [&](Node* layer) {
                             return find_quant_layer(graph_, layer)->kind == QuantKind::linear;
                           });
    return is_linear && !path.layers.empty() && path.layers.size() < value->uses().size() ? std::optional(path) : std::nullopt;
  }

 private:
  // The stored tensor behind an argument, which nothing else uses; null: none.
  const GraphInput* own_weight(const Node& node, std::string_view argument) const {
    const Value* value = node.find_value(argument);
    const GraphInput* input = value ? graph_.find_input(value) : nullptr;
    return input && input->is_weight() && value->uses().size() == 1 ? input : nullptr;
  }

  static bool set_channels(ScalePath& path, std::int64_t channels) {
    if (path.channels != 0 && path.channels != channels) return false;
    path.channels = channels;
    return true;
  }

  // The value whose rows are those of the one that is used here, elsewhere or more often; null: the use does more.
  static const Value* moved_rows(const Use& use) {
    if (!use.node || use.node->outputs().size() != 1 || has_side_effect(*use.node)) return nullptr;
    const Node& node = *use.node;
    const Value* from = node.find_value("self");
    if (!from || !from->is_tensor() || value_of(use) != from || !node.output()->is_tensor()) return nullptr;
    const auto &before = from->tensor().sizes, &after = node.output()->tensor().sizes;
    const bool is_view = node.op() == "aten.view" || node.op() == "aten.reshape";
    const bool copies_rows = node.op() == "aten.repeat_interleave" && before.size() > 1 && dim_or(node, "dim", -1, from->tensor().rank()) == 0;
    if ((!is_view && !copies_rows) || before.empty() || after.empty()) return nullptr;
    return before.back().is_fixed() && after.back().is_fixed() && before.back().size == after.back().size ? node.output() : nullptr;
  }

  // The product with looked-up matrices of which each row is a column: unsqueeze, then the product.
  const Node* expert_product(const Use& use) const {
    if (!use.node || use.node->op() != "aten.unsqueeze" || use.node->output()->uses().size() != 1) return nullptr;
    const Value* column = use.node->output();
    Node* product = column->uses().front().node;
    const auto layer = product ? find_expert_layer(graph_, product) : std::nullopt;
    return layer && layer->outputs_first && layer->input == column ? product : nullptr;
  }

  bool is_read_by_layers_alone(const Value& value, const ScalePath& path) const {
    return std::ranges::all_of(value.uses(), [&](const Use& use) {
      if (const Value* moved = moved_rows(use)) return is_read_by_layers_alone(*moved, path);
      const Node* reader = expert_product(use);
      return std::ranges::find(path.layers, reader ? reader : use.node) != path.layers.end();
    });
  }

  // The layers among the value's readers. returns: whether each of them can take factors.
  bool add_readers(const Value& value, ScalePath& path, bool follows_rows = true) const {
    for (const Use& use : value.uses()) {
      if (const Value* moved = follows_rows ? moved_rows(use) : nullptr) {
        if (!add_readers(*moved, path)) return false;
        continue;
      }
      if (const Node* product = follows_rows ? expert_product(use) : nullptr) {
        if (!add_expert_reader(const_cast<Node*>(product), path)) return false;
        continue;
      }
      const auto layer = use.node ? find_quant_layer(graph_, use.node) : std::nullopt;
      if (!layer || !layer->weight() || layer->activations.empty() || layer->activations.front().use != use) continue;
      const GraphInput* weight = own_weight(*use.node, use.node->arguments()[layer->weight()->argument].name);
      if (!weight || !add_reader(*layer, *weight, path)) return false;
      path.layers.push_back(use.node);
    }
    return true;
  }

  bool add_expert_reader(Node* product, ScalePath& path) const {
    const auto layer = find_expert_layer(graph_, product);
    const Value* stack = value_of(layer->stack);
    if (stack->uses().size() != 1 || stack->tensor().rank() != 3) return false;
    path.readers.push_back({graph_.find_input(stack)->target, 2});
    path.layers.push_back(product);
    return set_channels(path, stack->tensor().sizes[2].size);
  }

  // The weight's axis of input channels.
  static bool add_reader(const QuantLayer& layer, const GraphInput& weight, ScalePath& path) {
    const auto& sizes = weight.value->tensor().sizes;
    std::int64_t axis = layer.channel_axis == 0 ? 1 : 0;
    const std::int64_t groups = int_or(*layer.node, "groups", 1);
    if (layer.kind == QuantKind::linear && sizes.size() != 2) return false;
    if (groups != 1) {
      // Depthwise: the output channel is the input channel.
      if (layer.kind != QuantKind::convolution || sizes[1].size != 1 || sizes[0].size != groups) return false;
      axis = 0;
    }
    path.readers.push_back({weight.target, axis});
    return set_channels(path, sizes[static_cast<std::size_t>(axis)].size);
  }

  // Of a value with `path.channels` channels, which only the path reads.
  bool add_makers(const Value& value, ScalePath& path) const {
    const Node* node = value.producer();
    if (!node || has_side_effect(*node) || node->outputs().size() != 1) return false;
    if (traits_of(*node).is_homogeneous) return add_makers_of(read_value(*node), path);
    const std::string_view op = node->op();
    if (op == "aten.layer_norm" || op == "aten.rms_norm" || op == "aten.batch_norm") return add_maker(*node, "weight", 0, path) && add_bias(*node, path);
    if (op == "aten.mul") return add_product(*node, path);
    const auto layer = find_quant_layer(graph_, const_cast<Node*>(node));
    if (!layer || !layer->weight() || layer->kind == QuantKind::transposed_convolution || layer->kind == QuantKind::table ||
        layer->kind == QuantKind::experts) return false;
    path.is_made_by_layer = true;
    const std::string& weight = node->arguments()[layer->weight()->argument].name;
    return add_maker(*node, weight, layer->channel_axis, path) && add_bias(*node, path);
  }

  bool add_makers_of(const Value* value, ScalePath& path) const {
    return value && value->is_tensor() && value->uses().size() == 1 && add_makers(*value, path);
  }

  bool add_maker(const Node& node, std::string_view argument, std::int64_t axis, ScalePath& path) const {
    const GraphInput* weight = own_weight(node, argument);
    if (!weight) return false;
    const auto& sizes = weight->value->tensor().sizes;
    if (static_cast<std::size_t>(axis) >= sizes.size() || !set_channels(path, sizes[static_cast<std::size_t>(axis)].size)) return false;
    path.makers.push_back({weight->target, axis});
    return true;
  }

  bool add_bias(const Node& node, ScalePath& path) const {
    return !is_given(node, "bias") || add_maker(node, "bias", 0, path);
  }

  // x * w with a stored vector of channels, or a * b where either factor can take the scale.
  bool add_product(const Node& node, ScalePath& path) const {
    for (const char* argument : {"other", "self"}) {
      const Value* factor = node.find_value(argument);
      if (!factor || !factor->is_tensor()) continue;
      const bool is_vector = factor->tensor().rank() == 1 && own_weight(node, argument);
      if (is_vector) return add_maker(node, argument, 0, path);
    }
    for (const char* argument : {"other", "self"}) {
      const Value* factor = node.find_value(argument);
      if (!factor || !factor->is_tensor() || factor->tensor().rank() != path.value->tensor().rank()) continue;
      ScalePath attempt = path;
      if (!add_makers_of(factor, attempt)) continue;
      path = std::move(attempt);
      return true;
    }
    return false;
  }

  const Graph& graph_;
};

void multiply(Model& model, const ScaledWeight& weight, const at::Tensor& factors) {
  const at::Tensor tensor = model.weights.get(weight.name).detach();
  std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
  if (factors.dim() == 2) shape[0] = factors.size(0);
  shape[static_cast<std::size_t>(weight.axis)] = factors.size(-1);
  const at::Tensor scaled = tensor.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  scaled.narrow(weight.axis, weight.begin, factors.size(-1)).mul_(factors.view(shape));
  model.weights.set(weight.name, scaled.to(tensor.scalar_type()));
}

// A product between the value and the path's layers.
void divide_for(Model& model, const ScalePath& path, const at::Tensor& factors) {
  Graph& graph = model.graph;
  std::string name = path.value->name() + "_scale";
  while (model.weights.has(name)) name += "_";
  model.weights.set(name, factors.reciprocal().to(model.weights.get(path.readers.front().name).scalar_type()));
  TensorType type{.dtype = path.value->tensor().dtype, .sizes = {{.size = factors.numel()}}};
  Value* scale = graph.add_input(InputKind::constant, graph.unique_name("c_" + name), name, std::move(type));
  const auto uses = path.value->uses();
  Node* product = graph.insert(path.layers.front(), "aten.mul.Tensor", {{"self", path.value}, {"other", scale}},
                               {{graph.unique_name(path.value->name() + "_scaled"), path.value->type()}});
  graph.copy_origin(product, path.value->producer());
  for (const Use& use : uses) {
    if (std::find(path.layers.begin(), path.layers.end(), use.node) != path.layers.end()) graph.replace_use(use, product->output());
  }
}

}  // namespace

std::vector<ScalePath> find_scale_paths(const Graph& graph) {
  std::vector<ScalePath> list;
  const Paths paths(graph);
  for (const Node* node : graph.nodes()) {
    for (Value* value : node->outputs()) {
      if (auto path = paths.find(value)) list.push_back(std::move(*path));
    }
  }
  return list;
}

std::vector<ScalePath> find_shared_norms(const Graph& graph) {
  std::vector<ScalePath> list;
  const Paths paths(graph);
  for (const Node* node : graph.nodes()) {
    if (auto path = node->outputs().empty() ? std::nullopt : paths.find_shared_norm(node->output(0))) list.push_back(std::move(*path));
  }
  return list;
}

void move_scale(Model& model, const ScalePath& path, const at::Tensor& factors) {
  if (path.makers.empty()) divide_for(model, path, factors);
  for (const ScaledWeight& weight : path.makers) multiply(model, weight, factors.reciprocal());
  for (const ScaledWeight& weight : path.readers) multiply(model, weight, factors);
}

}  // namespace dsc
