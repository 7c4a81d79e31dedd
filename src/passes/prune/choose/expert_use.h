// Importance of a mixture's experts from where data is routed.
//
// routing: the share of the rows that an expert gets. reap: the mean over its own rows of |routing weight * output|, what the mixture
// gets from it when it is chosen (Lasby et al. 2025, "REAP the Experts", arXiv:2510.13999).
#pragma once

#include <cstdint>
#include <vector>

#include "passes/prune/choose/importance.h"

namespace dsc::prune {

enum class ExpertUse : std::uint8_t { routing, reap };

// One value for each unit; 0 of units that are no experts, and of experts without a row.
// errors: data, without a calibration or train split; unsupported, for `reap` of a mixture whose outputs no routing weights multiply.
std::vector<double> measure_expert_use(ExpertUse use, const Model& model, const ChannelGroups& groups, const ImportanceOptions& options,
                                       PassContext& context, std::uint64_t seed);

}  // namespace dsc::prune
