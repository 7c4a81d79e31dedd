// What an operator does to values, masks and positions, for whatever layer asks. A trait is said in the operator's row (op_info.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "dscompress/graph.h"

namespace dsc {

// What true means in a mask that an operator takes, or what becomes of a mask that goes through it.
enum class MaskUse : std::uint8_t {
  none,
  hides,     // true hides, in `argument`
  shows,     // true shows, in `argument`
  chooses,   // between `self`, where `argument` is true, and `other`
  weighs,    // it is a factor of the other operand: 0 hides
  combines,  // with another mask, which means the same
  inverts,
  combines_beside_zero,  // as `x != 0`; another operand than 0 is no mask's
  inverts_beside_zero,   // as `x == 0`
};
struct MaskOperand {
  MaskUse use = MaskUse::none;
  std::string_view argument = {};
};

// An operand whose integers are positions in something, and in what.
enum class PositionsIn : std::uint8_t {
  dimension,       // of `data`: the one that the argument `dim` names, the first where there is none
  own_dimensions,  // of `data`: the i-th index tensor points into its dimension i
  all_elements,    // of `data`, flattened
  classes,         // the second dimension of `data`
  class_count,     // as many as the argument `num_classes` says
};
struct PositionOperand {
  std::string_view index, data;
  PositionsIn in = PositionsIn::dimension;
  std::string_view starts = {};  // an operand that says where runs of indices begin, ascending from 0; empty: none
};

// How a view that holds every element once lays dimensions anew.
enum class Relayout : std::uint8_t { none, regroups, swaps_two, permutes };

// As far as rewrites and analyses rely on it.
struct OpTraits {
  bool moves_elements = false;     // its output holds elements of its input, unchanged, and zeros at most
  bool keeps_tensor = false;       // its output is its input, in another type, place or layout
  bool collects_elements = false;  // its outputs hold elements of its data (`self`, `tensors`): looked up, joined, repeated, parted
  bool is_homogeneous = false;     // f(c x) = c f(x) for c > 0, channel by channel
  bool normalises = false;         // statistics of its input, then a scale per channel: its argument `weight`
  bool is_batch_norm = false;      // statistics over the batch, or running ones
  bool is_dropout = false;
  bool is_random = false;  // draws numbers in evaluation too
  bool convolves = false;  // slides its argument `weight` over its input
  Relayout relayout = Relayout::none;
  MaskOperand mask = {};
  const PositionOperand* positions = nullptr;
  std::span<const std::string_view> weights = {};  // arguments that hold a layer's weights and biases
};
inline constexpr OpTraits kMovesElements{.moves_elements = true};
inline constexpr OpTraits kRegroups{.moves_elements = true, .relayout = Relayout::regroups};
inline constexpr OpTraits kKeepsTensor{.keeps_tensor = true};
inline constexpr OpTraits kCollectsElements{.collects_elements = true};
inline constexpr OpTraits kHomogeneous{.is_homogeneous = true};
inline constexpr OpTraits kMovesHomogeneously{.moves_elements = true, .is_homogeneous = true};
inline constexpr OpTraits kNormalises{.normalises = true};
inline constexpr OpTraits kBatchNorm{.normalises = true, .is_batch_norm = true};

// Those of the node's operator; none of an in-place form, which changes what others read.
const OpTraits& traits_of(const Node& node);
// The same, in-place forms included: what becomes of the values, whoever else reads them.
const OpTraits& traits_in_any_form(const Node& node);
// By the operator's name: "aten.view".
const OpTraits& traits_named(std::string_view op);

}  // namespace dsc
