// Profiles of engines: which layers have low-precision kernels there, and where a quantiser costs nothing.
//
// Placement (ops/quant_placement.h) follows the profile alone; another engine is another row of the table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ops/quantization.h"

namespace dsc {

struct QuantTarget {
  // Operands of residual adds that become integers.
  enum class Sum : std::uint8_t {
    none,
    fused,  // the other operand, where a convolution's kernel does the add as its last step
    both,   // both operands, where the add's result is quantised too: the engine has an integer add
  };

  std::string_view name, summary;
  std::vector<QuantKind> kinds;     // with low-precision kernels
  Sum sum = Sum::none;
  ZeroPoint activations = ZeroPoint::any;
  std::int64_t run_time_rows = 0;   // linear layers quantise activations at run time, in groups of a multiple of this; 0: they don't
  bool adds_in_pairs = false;       // some processors' kernels add two products in 16 bits: integers keep to what fits (ops/pair_sums.h)
  bool joins_grids = false;         // what is concatenated shares one grid, and stays in integers (ops/joined_grids.h)
  bool product_zero_points = false; // products of two activations take them; otherwise QuantLayer says what they take

  bool has(QuantKind kind) const;
};

// All profiles; the first is the default.
std::span<const QuantTarget> quant_targets();
const QuantTarget* find_quant_target(std::string_view name);  // null: none

}  // namespace dsc
