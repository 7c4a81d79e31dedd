// The precision of each layer: what rules, searches and checks agree on before anything is inserted.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/model.h"
#include "ops/quant_placement.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

struct LayerPrecision {
  Precision precision = Precision::integer;
  WeightOptions weights;
  ActivationOptions activations;  // its observer is never `automatic`
  bool operator==(const LayerPrecision&) const = default;
};
// By node name; layers that the target has no kernels for are not in it.
using Precisions = std::map<std::string, LayerPrecision>;

// Whether a rule gives the layer a width of weights, or a floating-point type.
bool has_own_width(const Node& layer, const Options& options);
// Options, then rules in their order, then `skip`.
Precisions resolve_precisions(const Model& model, const Options& options);
// Selectors that match nothing, or leave nothing to quantise.
std::vector<Problem> check_precisions(const Model& model, const Options& options);

// One sentence when stored matrices that no layer of the target's kinds reads hold more than a twentieth of the model's bytes:
// they stay as they are. Empty: none, or less.
std::string describe_unread(const Model& model, const Options& options);

// Quantisers for all layers of integer precision; for their weights alone where no ranges of activations are needed.
QuantPlacement place(Model& model, const Precisions& precisions, const Options& options);
const LayerPrecision& precision_of(const Precisions& precisions, const Node& layer);  // errors: internal

}  // namespace dsc::quantize
