// Importance from what the channels carry: the mean magnitude of a channel's activation over data, as the layers that
// read it see it. Source: in the spirit of Hu et al. 2016 (arXiv:1607.03250), with the mean in place of the share of zeros.
#pragma once

#include <vector>

#include "passes/prune/choose/importance.h"

namespace dsc::prune {

// One value for each unit: the mean of |x| over examples, positions and the unit's indices in every tensor that a layer
// reads it from; of units that no layer reads, in every tensor that a layer makes it in.
// errors: data, without a calibration or train split.
std::vector<double> measure_activations(const Model& model, const ChannelGroups& groups, const ImportanceOptions& options, PassContext& context,
                                        std::uint64_t seed);

}  // namespace dsc::prune
