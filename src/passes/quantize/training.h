// Quantisers as they train (exec/kernels/fake_quant.h): put in, driven through the phases of a training, turned into the deployed form.
#pragma once

#include <vector>

#include "dscompress/model.h"
#include "ops/quant_placement.h"
#include "passes/quantize/ranges/observers.h"
#include "passes/quantize/options.h"
#include "passes/quantize/choose/precisions.h"
#include "passes/quantize/rewrite.h"
#include "train/train.h"

namespace dsc::quantize {

inline constexpr const char* kPhase = "quant_phase";  // the buffer with the phase of all training quantisers

// Observing quantisers; their ranges are buffers "quant_range.N".
void insert_observing_quantizers(Model& model, const QuantPlacement& placement, const Precisions& precisions);
// Quantisers with learned steps, parameters "quant_step.N", that start from these ranges of the activations and from the
// weights' own grids.
void insert_learned_quantizers(Model& model, const QuantPlacement& placement, const Precisions& precisions, const std::vector<Range>& ranges);

// How many of the training's last epochs go on with frozen ranges, and with frozen batch norms.
double frozen_observer_epochs(const Options& options);
double frozen_norm_epochs(const Options& options);
// Moves the phase: observers and batch norms freeze before their last epochs, and a progressive training raises the
// quantised share.
TrainHooks make_phase_hooks(const Options& options);
// The quantised share at a step.
double quantized_share(const std::optional<Progressive>& progressive, std::int64_t step, std::int64_t steps);

// Replaces training quantisers by the deployed form, with the ranges seen or steps learned, and weights as they are now.
std::vector<QuantizerRow> finish_training_quantizers(Model& model);

}  // namespace dsc::quantize
