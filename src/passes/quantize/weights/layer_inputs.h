// Layers as matrix products, and second moments of what they read: what roundings that look at data need.
//
// A layer is Y = X W^T for each of its G groups: X [G, rows, K] made from its input (patches, for a convolution), W the
// weight as [G, channels, K]. The groups of a stack of experts are its experts, each with the rows that are routed to it.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/quantization.h"
#include "passes/quantize/ranges/sample_walk.h"

namespace dsc::quantize {

// The value that the layer multiplies its weight with; null: none, as a table.
const Value* find_layer_input(const Graph& graph, const QuantLayer& layer);

// None: layers of other kinds (transposed and three-dimensional convolutions, products of two activations).
std::optional<at::Tensor> weight_matrix(const QuantLayer& layer, const at::Tensor& weight);
at::Tensor weight_from_matrix(const QuantLayer& layer, const at::Tensor& matrix, const at::Tensor& weight);  // its inverse
at::Tensor input_rows(const QuantLayer& layer, const at::Tensor& input, const at::Tensor& weight);  // not of experts

// Of one layer's rows, f64. Those of experts are sums over each one's rows, divided by the rows of all.
struct InputMoments {
  at::Tensor gram;      // [G, K, K], mean of x x^T
  at::Tensor mean;      // [G, K]
  at::Tensor magnitude; // [G, K], mean of |x|
  at::Tensor largest;   // [G, K], max of |x|
  std::int64_t rows = 0;
};
// By node name, for those of `layers` that have a matrix; all in the stretch where the samples are.
// advance: whether the samples then go on to the next stretch, as the weights are before anybody rounds them.
// Where several processes run the samples, all of them get the same, that of all samples. Products that read the same value share their tensors.
// cost: one run of the stretch over the samples; memory for a Gram matrix a layer.
enum class Advance : bool { no, yes };
std::map<std::string, InputMoments> find_input_moments(const Model& model, const std::vector<Node*>& layers, SampleWalk& walk, Advance advance);

}  // namespace dsc::quantize
