#include "passes/quantize/casts.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "exec/convert.h"
#include "ops/arguments.h"

namespace dsc::quantize {
namespace {

Value* insert_cast(Graph& graph, Node* before, Value* value, ScalarType dtype, const std::string& name) {
  TensorType type = value->tensor();
  type.dtype = dtype;
  Node* node = graph.insert(before, "aten._to_copy.default", {{"self", value}, {"dtype", dtype}}, {{graph.unique_name(name), std::move(type)}});
  if (before) graph.copy_origin(node, before);
  return node->output();
}

// A weight that this node alone uses takes the type itself.
bool store_as(Model& model, const Value* value, ScalarType dtype) {
  const GraphInput* input = model.graph.find_input(value);
  if (!input || !model.weights.has(input->target) || value->uses().size() != 1) return false;
  model.weights.set(input->target, model.weights.get(input->target).detach().to(to_c10(dtype)));
  TensorType type = value->tensor();
  type.dtype = dtype;
  model.graph.set_type(model.graph.find_weight(input->target), type);
  return true;
}

void cast_argument(Model& model, const Use& use, ScalarType dtype) {
  Value* value = value_of(use);
  if (!value || !value->is_tensor() || !is_floating(value->tensor().dtype) || store_as(model, value, dtype)) return;
  model.graph.replace_use(use, insert_cast(model.graph, use.node, value, dtype, value->name() + "_cast"));
}

// What a layer gives in `dtype` goes on in the type it had.
void widen(Graph& graph, Node* node, Value* output, ScalarType dtype) {
  const ScalarType own = output->tensor().dtype;
  const auto uses = output->uses();
  TensorType type = output->tensor();
  type.dtype = dtype;
  graph.set_type(output, type);
  const auto nodes = graph.nodes();
  const auto next = std::next(std::find(nodes.begin(), nodes.end(), node));
  Value* wide = insert_cast(graph, next == nodes.end() ? nullptr : *next, output, own, output->name() + "_wide");
  graph.copy_origin(wide->producer(), node);
  for (const Use& use : uses) {
    if (use.node) graph.replace_use(use, wide);
  }
  for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
    Value* const* value = std::get_if<Value*>(&graph.outputs()[i].value);
    if (value && *value == output) graph.set_output(i, wide);
  }
}

void cast_layer(Model& model, Node* node, ScalarType dtype) {
  Graph& graph = model.graph;
  for (std::size_t i = 0; i < node->arguments().size(); ++i) {
    const auto* list = std::get_if<ValueList>(&node->arguments()[i].value);
    if (!list && !std::holds_alternative<Value*>(node->arguments()[i].value)) continue;
    for (std::size_t element = 0; element < (list ? list->size() : 1); ++element) cast_argument(model, {node, i, element}, dtype);
  }
  for (Value* output : node->outputs()) {
    if (output->is_tensor() && is_floating(output->tensor().dtype)) widen(graph, node, output, dtype);
  }
}

}  // namespace

std::int64_t cast_layers(Model& model, const Precisions& precisions) {
  std::int64_t count = 0;
  for (Node* node : model.graph.nodes()) {
    const auto layer = precisions.find(node->name());
    if (layer == precisions.end() || (layer->second.precision != Precision::bf16 && layer->second.precision != Precision::f16)) continue;
    cast_layer(model, node, layer->second.precision == Precision::bf16 ? ScalarType::bf16 : ScalarType::f16);
    ++count;
  }
  return count;
}

}  // namespace dsc::quantize
