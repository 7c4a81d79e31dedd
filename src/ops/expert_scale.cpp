#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "ops/arguments.h"
#include "ops/channel_scale.h"
#include "ops/experts.h"

namespace dsc {
namespace {

// The node behind which `value` alone stands; null: others read it too, or it is an input.
const Node* sole_maker(const Value* value) { return value && value->uses().size() == 1 ? value->producer() : nullptr; }

// The stack's weight, which no other layer reads.
const GraphInput* own_stack(const Graph& graph, const ExpertLayer& layer) {
  const Value* stack = value_of(layer.stack);
  return layer.outputs_first && stack->uses().size() == 1 ? graph.find_input(stack) : nullptr;
}

// The part of a value's last dimension that a split gives as this output: where it begins.
std::optional<std::int64_t> begin_in_split(const Value* part) {
  static constexpr std::array<std::string_view, 3> kSplits{"aten.chunk", "aten.split", "aten.split_with_sizes"};
  const Node* split = sole_maker(part);
  if (!split || std::ranges::find(kSplits, split->op()) == kSplits.end()) return std::nullopt;
  const Value* whole = split->find_value("self");
  if (!whole || whole->uses().size() != 1 || dim_or(*split, "dim", 0, whole->tensor().rank()) != whole->tensor().rank() - 1) return std::nullopt;
  std::int64_t begin = 0;
  for (const Value* output : split->outputs()) {
    if (output == part) return begin;
    if (!output->tensor().sizes.back().is_fixed()) return std::nullopt;
    begin += output->tensor().sizes.back().size;
  }
  return std::nullopt;
}

// A factor of the product that is a part of what an expert layer makes, without an operator between but those that drop a dimension.
std::optional<ScaledWeight> find_maker(const Graph& graph, const Value* factor, const Value* experts) {
  const auto begin = begin_in_split(factor);
  if (!begin) return std::nullopt;
  const Node* node = sole_maker(factor->producer()->find_value("self"));
  if (node && node->op() == "aten.squeeze") node = sole_maker(node->find_value("self"));
  const auto layer = node ? find_expert_layer(graph, const_cast<Node*>(node)) : std::nullopt;
  const GraphInput* stack = layer && layer->experts == experts ? own_stack(graph, *layer) : nullptr;
  return stack ? std::optional(ScaledWeight{stack->target, 1, *begin}) : std::nullopt;
}

std::optional<ScalePath> find_path(const Graph& graph, Node* second) {
  const auto layer = find_expert_layer(graph, second);
  const GraphInput* stack = layer ? own_stack(graph, *layer) : nullptr;
  const Node* column = stack ? sole_maker(layer->input) : nullptr;
  const Node* gated = column && column->op() == "aten.unsqueeze" ? sole_maker(column->find_value("self")) : nullptr;
  if (!gated || gated->op() != "aten.mul") return std::nullopt;
  for (const char* argument : {"other", "self"}) {
    const Value* factor = gated->find_value(argument);
    const auto maker = factor ? find_maker(graph, factor, layer->experts) : std::nullopt;
    if (!maker) continue;
    const auto& sizes = stack->value->tensor().sizes;
    return ScalePath{.value = const_cast<Node*>(gated)->output(),
                     .channels = sizes[2].size,
                     .experts = sizes[0].size,
                     .makers = {*maker},
                     .readers = {{stack->target, 2}},
                     .layers = {second},
                     .is_made_by_layer = true};
  }
  return std::nullopt;
}

}  // namespace

std::vector<ScalePath> find_expert_paths(const Graph& graph) {
  std::vector<ScalePath> list;
  for (Node* node : graph.nodes()) {
    if (auto path = find_path(graph, node)) list.push_back(std::move(*path));
  }
  return list;
}

}  // namespace dsc
