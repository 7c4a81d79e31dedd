#include "passes/quantize/choose/mixed_layers.h"

#include <cmath>

#include "ops/arguments.h"
#include "ops/cost.h"
#include "ops/quantization.h"
#include "passes/quantize/after_training.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

std::int64_t stored_bits(std::int64_t bits) { return bits == kFloatBits ? kFloatBits : bits <= 4 ? 4 : 8; }

}  // namespace

double bytes_of(const MixedLayer& layer, std::int64_t bits, const WeightOptions& options) {
  if (bits == kFloatBits) return 4 * layer.elements;
  return std::ceil(layer.elements * static_cast<double>(stored_bits(bits)) / 8) + layer.scales * (options.symmetric ? 4 : 8);
}

MixedLayers find_mixed_layers(Model& prepared, const Precisions& precisions, const Options& options) {
  std::map<std::string, double> macs;
  for (const NodeCost& cost : node_costs(prepared)) macs[cost.node->name()] = cost.macs;
  const auto names = part_names(prepared, precisions);
  std::map<const Value*, std::string> first_user;  // of a weight
  MixedLayers layers;
  layers.rest = static_cast<double>(weight_bytes(prepared));
  for (Node* node : prepared.graph.nodes()) {
    const auto precision = precisions.find(node->name());
    const auto quant = find_quant_layer(prepared.graph, node);
    if (precision == precisions.end() || precision->second.precision != Precision::integer || !quant || quant->weights.empty()) continue;
    const auto [first, is_first] = first_user.emplace(value_of(quant->weights.front()), node->name());
    if (!is_first) {
      layers.shared[node->name()] = first->second;
      continue;
    }
    const WeightOptions& own = precision->second.weights;
    MixedLayer layer{.node = node->name(), .part = names.at(node->name()), .macs = macs[node->name()], .errors = {}};
    for (const Use& use : quant->weights) {
      const at::Tensor tensor = prepared.weights.get(prepared.graph.find_input(value_of(use))->target);
      layer.elements += static_cast<double>(tensor.numel());
      layer.scales += static_cast<double>(choose_layer_grid(quant->kind, tensor, quant->channel_axis, own).scale.numel());
    }
    layers.rest -= 4 * layer.elements;
    if (has_own_width(*node, options)) layers.rest += bytes_of(layer, own.bits, own);
    else layers.list.push_back(std::move(layer));
  }
  if (layers.list.empty()) throw Error(ErrorCode::recipe, "`mixed` has no layer to choose a width for", {.pointer = "/mixed"}, "remove it, or some of `layers` and `skip`");
  return layers;
}

}  // namespace dsc::quantize
