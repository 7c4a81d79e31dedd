// Where quantisers go.
//
// A tensor gets at most one quantiser of a kind, whose result is shared by all its users that run in that precision:
// - inputs of the layers that the target has low-precision kernels for, moved up through operators that only move elements;
// - operands of residual adds, as the target's kernels take them (ops/quant_target.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/quant_target.h"
#include "ops/quantization.h"

namespace dsc {

// What is quantised of one layer.
struct LayerChoice {
  std::int64_t activations = 0;  // layers of the same number share quantisers; -1: inputs stay as they are
  bool weights = true;
};
// None: the layer stays in floating point.
using ChooseLayer = std::function<std::optional<LayerChoice>(const Node&)>;

struct ActivationQuantizer {
  Value* value = nullptr;
  std::vector<Use> uses;         // that take the quantised value, in execution order
  ZeroPoint zero_point = ZeroPoint::any;
  std::int64_t choice = 0;       // LayerChoice::activations
  Node* layer = nullptr;         // that uses it first
  std::string place;             // its module
};
struct WeightQuantizer {
  Value* value = nullptr;
  std::string name;              // in Weights
  QuantKind kind = QuantKind::linear;
  std::vector<Use> uses;
  std::int64_t channel_axis = 0;
  std::optional<std::int64_t> paired_axis = {};  // its integers must fit kernels that add in pairs along it (ops/pair_sums.h)
  Node* layer = nullptr;
  std::string place;
};
struct QuantPlacement {
  std::vector<Node*> layers;  // that run in low precision, in execution order
  std::vector<ActivationQuantizer> activations;
  std::vector<WeightQuantizer> weights;
};

// Quantisers for the layers that `choose` (empty: all alike) gives a choice, and that `target` has kernels for.
QuantPlacement place_quantizers(Graph& graph, const QuantTarget& target = quant_targets().front(), const ChooseLayer& choose = {});

// Puts a node before the first of `uses`, with `value` as argument "self", and lets the uses take its output instead.
Node* insert_quantizer(Graph& graph, Value* value, const std::vector<Use>& uses, std::string target,
                       std::vector<NamedArgument> arguments, std::string_view name);

}  // namespace dsc
