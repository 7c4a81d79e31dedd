// Weights on their grids: nearest, or by what the layer's inputs make of the error; and biases that make up for it.
#pragma once

#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "ops/quant_placement.h"
#include "ops/stretches.h"
#include "passes/quantize/choose/precisions.h"
#include "passes/quantize/weights/block_journal.h"

namespace dsc::quantize {

// Chooses the grid of each weight, in the order of the placement, and with `rounding` other than nearest moves the model's
// weights onto it. With bias_correction, biases take over the mean of the output's error, E[(W - Q) x]
// (source: Nagel et al. 2019, arXiv:1906.04721, section 4.2). Grids of `weighted` observers are chosen anew when their layer's moments are
// known, and gptq sees inputs that weights rounded before have made.
// The samples go through one stretch of the network after the other, and new weights into a file beyond `calibration.memory`.
// journal: what an interrupted run has finished.
// notes: layers of kinds that have no second moments stay with the nearest.
std::vector<WeightGrid> round_weights(Model& model, const QuantPlacement& placement, const Precisions& precisions, const Options& options,
                                      PassContext& context, const BlockJournal& journal = {}, const CutGraph& cut = cut_at_blocks);

}  // namespace dsc::quantize
