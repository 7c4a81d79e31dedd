// What quantisation needs to know about operators and numbers, and the integer form of quantised weights.
//
// In a graph, a quantised tensor is one behind a fake-quantise operator: `aten.fake_quantize_per_tensor_affine` for
// activations (integers 0 .. 2^bits - 1), and `aten.fake_quantize_per_channel_affine` (or per tensor) for weights (signed
// integers). Scale and zero point are literals, or constants in Weights where there is one per channel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/quant_kind.h"

namespace dsc {

// --- numbers ---

struct QuantRange {
  std::int64_t minimum = 0, maximum = 255;
  bool operator==(const QuantRange&) const = default;
};
// Where kernels allow the integer that stands for zero to be, from the freest to the strictest.
enum class ZeroPoint : std::uint8_t {
  any,
  symmetric,  // the middle of the integers, or their end for values that are never negative
  middle,     // integers with a sign, whatever the values
  narrow,     // as middle, but half of the integers: of two activations, one must fit kernels that add in pairs (ops/pair_sums.h)
};
QuantRange activation_quant_range(std::int64_t bits, ZeroPoint zero_point = ZeroPoint::any);  // 0 .. 2^bits - 1, or with a sign
QuantRange weight_quant_range(std::int64_t bits, bool symmetric);      // -127 .. 127, or -128 .. 127 for affine

struct QuantParams {
  float scale = 1;
  std::int64_t zero_point = 0;
  bool operator==(const QuantParams&) const = default;
};
// Scale and zero point for values in [minimum, maximum]; zero is always one of the values that the integers stand for.
// symmetric: the zero point is the middle of the integers, or 0 for values that are never negative. An empty or zero
// range gives scale 1.
QuantParams choose_quant_params(double minimum, double maximum, QuantRange range, bool symmetric);
// One scale and zero point per index of `axis`, from the tensor's smallest and largest values.
// returns: f32 [C] and i32 [C].
struct ChannelParams {
  at::Tensor scale, zero_point;
};
ChannelParams choose_channel_params(const at::Tensor& weight, std::int64_t axis, QuantRange range, bool symmetric);

// The grids of one weight: one for the tensor, for each index of `axis`, or for each group of a row's elements.
struct WeightGrid {
  QuantRange range;
  std::optional<std::int64_t> axis;  // none: one grid for the tensor
  std::int64_t group = 0;            // > 0: so many neighbours of a row share a grid; rows are the indices of axis 0
  at::Tensor scale, zero_point;      // f32 and i32: [], [C], or [C * groups]
};
// The tensor whose first dimension's slices have a grid each: the weight itself, or [C * groups, group].
at::Tensor grid_view(const at::Tensor& weight, const WeightGrid& grid);
// The nearest values on the grids, of the weight's shape; as fake quantisation computes them, bit for bit.
at::Tensor snap_to_grid(const at::Tensor& weight, const WeightGrid& grid);
// Their integers, i8 (u8 for ranges from 0), of the weight's shape.
at::Tensor integers_on_grid(const at::Tensor& weight, const WeightGrid& grid);
std::int64_t quant_bits(QuantRange range);  // the width that the integers need

// --- operators ---

// An operator that has low-precision kernels, and what of it has to be quantised.
struct QuantLayer {
  struct Activation {
    Use use;
    ZeroPoint zero_point = ZeroPoint::any;
  };
  Node* node = nullptr;
  QuantKind kind = QuantKind::linear;
  std::vector<Activation> activations;  // none of a table, nor of experts
  std::vector<Use> weights;       // the arguments that are stored tensors: one, several of a recurrent layer, none of a product;
                                  // of experts their stack, an argument of the look-up
  std::int64_t channel_axis = 0;  // of the weights: one scale for each of its indices
  std::optional<std::int64_t> reduced_axis = {};  // of the weight: along which products with activations are added

  const Use* weight() const { return weights.size() == 1 ? &weights.front() : nullptr; }
};
// None: the operator has no such kernels, or its weight is computed or quantised already.
std::optional<QuantLayer> find_quant_layer(const Graph& graph, Node* node);
bool is_convolution(const Node& node);                  // any rank, not transposed
bool is_fake_quantize(const Node& node);
// Whether it only moves elements (and zeros), so that quantised values go through it unchanged: slice, pad, view, ...
bool only_moves_elements(const Node& node);
// The tensor that such an operator moves; null for others.
Value* moved_value(const Node& node);

// --- storage ---

// A weight that the graph uses only through fake quantisation: its values as integers.
struct QuantizedWeight {
  std::string name;   // in Weights
  at::Tensor source;  // in floating point, as it is there
  WeightGrid grid;
  std::int64_t bits = 8;                   // the width that the range needs
  const Node* node = nullptr;              // the fake quantisation
  std::vector<std::string> constants = {}; // names in Weights of its scales and zero points

  // i8 (u8 for ranges from 0), of the weight's shape. (integers - zero_point) * scale is, bit for bit, what the fake
  // quantisation gives.
  at::Tensor integers() const { return integers_on_grid(source.to(at::kFloat), grid); }
};
// In the order of the graph's inputs.
std::vector<QuantizedWeight> quantized_weights(const Model& model);
// As weight_bytes, with quantised weights at their real width (packed) plus their scales.
std::int64_t stored_bytes(const Model& model);

}  // namespace dsc
