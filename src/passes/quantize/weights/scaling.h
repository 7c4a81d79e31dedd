// Factors for channels that make the weights after them easier to round (ops/channel_scale.h moves them).
#pragma once

#include <string>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "ops/stretches.h"
#include "passes/quantize/choose/precisions.h"
#include "passes/quantize/weights/block_journal.h"

namespace dsc::quantize {

// Moves scales along every path whose readers are all quantised. returns: how many paths.
// equalize: ranges of a channel's weights before and after it become equal, over several sweeps; needs no data.
//   source: Nagel et al. 2019, "Data-free quantization", arXiv:1906.04721, equation 11.
// smooth: large activations move into weights, f = max|x|^alpha / max|w|^(1 - alpha). Where a residual add reads a norm's
//   result too, a product divides what the layers read, which engines compute with the quantiser behind it.
//   source: Xiao et al. 2023, SmoothQuant, arXiv:2211.10438, equation 4.
// awq: weights of large activations grow, f = mean|x|^a, or that divided by mean|w|^(1 - a), w in units of its group's largest; form and
//   exponent are searched for the least output error. Experts of a mixture share
//   the factors of what they all read, and have factors of their own inside, by the rows that are routed to them.
//   source: Lin et al. 2024, AWQ, arXiv:2306.00978, equations 4 and 5.
// journal: of the last two, what an interrupted run has finished.
std::int64_t move_scales(Model& model, const Precisions& precisions, const Options& options, PassContext& context, const BlockJournal& journal = {},
                         const CutGraph& cut = cut_at_blocks);

}  // namespace dsc::quantize
