// Recurrent layers: lstm, gru, rnn_tanh, rnn_relu. `params` holds, for each layer and direction, w_ih [gates * H, I],
// w_hh [gates * H, H] and, with biases, b_ih, b_hh [gates * H]. A hidden unit is one row of every gate and one column of
// w_hh; without its weights it stays at zero. All layers and directions share the sizes of the first state, hx.
#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

struct Recurrent {
  std::vector<const Value*> states, weights;
  std::size_t directions = 1, parts = 2;  // parts: weights of one layer and direction
  std::size_t layers = 1;
};

std::vector<const Value*> values_at(const Node& node, std::string_view name) {
  std::vector<const Value*> values;
  const Argument* argument = node.find_argument(name);
  if (!argument) return values;
  if (const auto* list = std::get_if<ValueList>(argument)) values.assign(list->begin(), list->end());
  if (auto* const* value = std::get_if<Value*>(argument)) values.push_back(*value);
  return values;
}

Recurrent recurrent_of(const Node& node) {
  Recurrent layer{values_at(node, "hx"), values_at(node, "params")};
  layer.directions = bool_or(node, "bidirectional", false) ? 2 : 1;
  layer.parts = bool_or(node, "has_biases", true) ? 4 : 2;
  layer.layers = static_cast<std::size_t>(int_or(node, "num_layers", 1));
  return layer;
}

// One layer in one direction. returns: the axis of its hidden units.
Axis tie_direction(Ties& ties, const Value* const* weights, std::size_t parts, const Axis& input) {
  const Value* from_input = weights[0];
  const Value* from_hidden = weights[1];
  ties.tie(ties.axis(from_input, 1), input);
  Axis hidden = ties.axis(from_hidden, 1);
  Axis gates = ties.concatenate(Axes(static_cast<std::size_t>(ties.axis(from_hidden, 0).size / hidden.size), hidden));
  for (std::size_t part = 0; part < parts; ++part) {
    ties.tie(ties.axis(weights[part], 0), gates);
    ties.set_role(weights[part], 0, part < 2 ? Role::produces : Role::scales);
    if (part < 2) ties.set_role(weights[part], 1, Role::consumes);
  }
  return hidden;
}

void tie_recurrent(Ties& ties, const Node& node) {
  const Value* input = node.find_value("input");
  Recurrent layer = recurrent_of(node);
  if (!input || layer.weights.size() != layer.layers * layer.directions * layer.parts) {
    for (const Value* value : tensor_arguments(node)) ties.keep(value, "a recurrent layer with packed inputs or projections");
    return;
  }
  Axes result = ties.axes(input);
  Axis hidden;
  for (std::size_t i = 0; i < layer.layers; ++i) {
    Axes sides;
    for (std::size_t d = 0; d < layer.directions; ++d) {
      hidden = tie_direction(ties, &layer.weights[(i * layer.directions + d) * layer.parts], layer.parts, result.back());
      for (const Value* state : layer.states) ties.tie(ties.axis(state, state->tensor().rank() - 1), hidden);
      sides.push_back(hidden);
    }
    result.back() = ties.concatenate(sides);
  }
  std::size_t time = result.size() < 3 || !bool_or(node, "batch_first", false) ? 0 : 1;
  ties.keep(result[time], "a recurrent layer walks along it");
  for (std::size_t i = 1; i < node.outputs().size(); ++i) {
    Axes last;
    for (const Dim& dim : ties.dims(node.output(i))) last.push_back(ties.kept(dim.size, "the last state of " + std::string(node.op())));
    last.back() = hidden;
    ties.define(node.output(i), std::move(last));
  }
  ties.define(node.output(), std::move(result));
}

double macs_recurrent(const Node& node, const SizeOf& size) {
  const Value* input = node.find_value("input");
  if (!input) return 0;
  double steps = 1, weights = 0;
  for (std::int64_t d = 0; d + 1 < input->tensor().rank(); ++d) steps *= size(input, d);
  for (const Value* weight : recurrent_of(node).weights) {
    if (weight->tensor().rank() == 2) weights += size(weight, 0) * size(weight, 1);
  }
  return steps * weights;
}

constexpr QuantArguments kRecurrent{QuantKind::recurrent, "", "params", 0};

constexpr std::string_view kLayerWeights[] = {"params"};
constexpr std::string_view kCellWeights[] = {"w_ih", "w_hh", "b_ih", "b_hh"};

constexpr OpInfo kRecurrentOps[] = {
    {"aten.lstm", tie_recurrent, nullptr, macs_recurrent, {.weights = kLayerWeights}, &kRecurrent},
    {"aten.gru", tie_recurrent, nullptr, macs_recurrent, {.weights = kLayerWeights}, &kRecurrent},
    {"aten.rnn_tanh", tie_recurrent, nullptr, macs_recurrent, {.weights = kLayerWeights}, &kRecurrent},
    {"aten.rnn_relu", tie_recurrent, nullptr, macs_recurrent, {.weights = kLayerWeights}, &kRecurrent},
    {.op = "aten.lstm_cell", .traits = {.weights = kCellWeights}},
    {.op = "aten.gru_cell", .traits = {.weights = kCellWeights}},
};

}  // namespace

std::span<const OpInfo> recurrent_ops() { return kRecurrentOps; }

}  // namespace dsc
