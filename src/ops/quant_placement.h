// Where quantisers go.
//
// A tensor gets at most one quantiser, whose result is shared by all its users that run in low precision. The rules follow
// the kernels of the OpenVINO CPU plugin:
// - inputs of convolutions, linear layers and matrix products, moved up through operators that only move elements;
// - the shortcut of a residual add that a convolution's kernel does as its last step (its other operand is that
//   convolution's output): it then reads integers as well. An add after a linear layer stays in floating point.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/quantization.h"

namespace dsc {

struct ActivationQuantizer {
  Value* value = nullptr;
  std::vector<Use> uses;    // that take the quantised value, in execution order
  bool is_signed = false;
  std::string place;        // the module that uses it first
};
struct WeightQuantizer {
  Value* value = nullptr;
  std::string name;         // in Weights
  std::vector<Use> uses;
  std::int64_t channel_axis = 0;
  std::string place;
};
struct QuantPlacement {
  std::vector<Node*> layers;  // that run in low precision, in execution order
  std::vector<ActivationQuantizer> activations;
  std::vector<WeightQuantizer> weights;
};

// Quantisers for the layers for which `select` (empty: all) is true.
QuantPlacement place_quantizers(Graph& graph, const std::function<bool(const Node&)>& select = {});

// Puts a node before the first of `uses`, with `value` as argument "self", and lets the uses take its output instead.
Node* insert_quantizer(Graph& graph, Value* value, const std::vector<Use>& uses, std::string target,
                       std::vector<NamedArgument> arguments, std::string_view name);

}  // namespace dsc
