#include "ops/quant_target.h"

#include <algorithm>

namespace dsc {

bool QuantTarget::has(QuantKind kind) const { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); }

std::span<const QuantTarget> quant_targets() {
  using enum QuantKind;
  static const std::vector<QuantTarget> targets = {
      // An add after a linear layer stays in floating point there, and so does one that no convolution does.
      {.name = "openvino_cpu",
       .summary = "OpenVINO's CPU plugin (oneDNN kernels) on any processor",
       .kinds = {convolution, transposed_convolution, linear, product, attention, recurrent, table, experts},
       .sum = QuantTarget::Sum::fused,
       .run_time_rows = 16,
       .adds_in_pairs = true,
       .joins_grids = true},
      {.name = "openvino_vnni",
       .summary = "OpenVINO's CPU plugin on processors with VNNI or AMX alone: weights have all 8 bits",
       .kinds = {convolution, transposed_convolution, linear, product, attention, recurrent, table, experts},
       .sum = QuantTarget::Sum::fused,
       .run_time_rows = 16,
       .joins_grids = true},
      // QDQ form: integer adds between quantised layers, no integer transposed convolution.
      {.name = "onnxruntime_cpu",
       .summary = "ONNX Runtime's CPU provider, graphs in QDQ form",
       .kinds = {convolution, linear, product, recurrent, table, experts},
       .sum = QuantTarget::Sum::both,
       .adds_in_pairs = true,
       .product_zero_points = true},
      {.name = "symmetric",
       .summary = "engines whose kernels have no zero points",
       .kinds = {convolution, transposed_convolution, linear, product, recurrent, table, experts},
       .sum = QuantTarget::Sum::fused,
       .activations = ZeroPoint::symmetric},
  };
  return targets;
}

const QuantTarget* find_quant_target(std::string_view name) {
  const auto table = quant_targets();
  const auto found = std::find_if(table.begin(), table.end(), [&](const QuantTarget& target) { return target.name == name; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace dsc
