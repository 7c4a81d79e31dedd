// Importance from what the channels carry: the mean magnitude of a channel's activation over data, as the layers that
// read it see it. Source: in the spirit of Hu et al. 2016 (arXiv:1607.03250), with the mean in place of the share of zeros.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "passes/prune/choose/importance.h"

namespace dsc::prune {

// Runs the model over calibration or else training data, as many batches as the options say, and shows `see` these values of each batch.
// Of several ranks each takes batches by turns. returns: how many examples this one had. errors: data, without either split.
std::int64_t watch_values(const Model& model, const std::vector<const Value*>& values, const ImportanceOptions& options, PassContext& context,
                          std::uint64_t seed, const std::function<void(const Value& value, const at::Tensor& tensor, std::int64_t examples)>& see);

// One value for each unit: the mean of |x| over examples, positions and the unit's indices in every tensor that a layer
// reads it from; of units that no layer reads, in every tensor that a layer makes it in.
// errors: data, without a calibration or train split.
std::vector<double> measure_activations(const Model& model, const ChannelGroups& groups, const ImportanceOptions& options, PassContext& context,
                                        std::uint64_t seed);

}  // namespace dsc::prune
