// Quantisers in the graph: as they train, and as they are deployed.
#pragma once

#include <vector>

#include "dscompress/model.h"
#include "ops/quant_placement.h"
#include "passes/quantize/calibrate.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

// Puts observing quantisers (exec/fake_quant.h) at the places, their states as buffers "quant_state.N".
void insert_training_quantizers(Model& model, const QuantPlacement& placement, const Options& options);
// Names of the states, in order; found in the graph, so that it works for a restored model.
std::vector<std::string> quantizer_states(const Model& model);

// One row of the report.
struct QuantizerRow {
  std::string module, tensor, kind;  // kind: "activation" or "weight"
  std::int64_t bits = 8;
  Range range;                       // that the integers cover (of all channels)
  std::string granularity;           // "tensor", "channel"
};

// Replaces training quantisers by the deployed form, with the ranges seen and grids of the weights as they are now.
std::vector<QuantizerRow> finish_training_quantizers(Model& model);
// Puts quantisers of the deployed form at the places. ranges: of the activations, in order.
std::vector<QuantizerRow> insert_quantizers(Model& model, const QuantPlacement& placement, const std::vector<Range>& ranges,
                                            const Options& options);

}  // namespace dsc::quantize
