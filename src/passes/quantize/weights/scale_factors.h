// Factors of the channels of a path, by the weights alone or by what layers read (passes/quantize/weights/scaling.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>

#include "dscompress/model.h"
#include "ops/channel_scale.h"
#include "passes/quantize/choose/precisions.h"
#include "passes/quantize/weights/layer_inputs.h"

namespace dsc::quantize {

using Moments = std::map<std::string, InputMoments>;  // by node name

bool is_integer(const Precisions& precisions, const Node& layer);
bool is_expert_layer(const Model& model, const Node* layer);

at::Tensor equalizing_factors(const Model& model, const ScalePath& path);
// None: there are no moments of the path's value.
std::optional<at::Tensor> smoothing_factors(const Model& model, const ScalePath& path, const Moments& moments, double alpha);
// Powers of the inputs' magnitudes, and the same over powers of the weights', those of the least output error of all readers that
// become integers. None: not all of them have moments.
std::optional<at::Tensor> factors_by_activations(const Model& model, const ScalePath& path, const Moments& moments, const Precisions& precisions);

}  // namespace dsc::quantize
