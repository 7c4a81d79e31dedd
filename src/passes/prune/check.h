// Everything that can be known about a cut before anything is trained.
#pragma once

#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "passes/prune/options.h"
#include "passes/prune/choose/target.h"

namespace dsc::prune {

// Patterns that match nothing, and targets that cannot be reached.
std::vector<Problem> check(const Model& model, const Options& options);

// What is wrong with a target in MACs, parameters or bytes that the limits keep out of reach; empty: nothing.
std::string unreachable(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base);
inline constexpr const char* kLoosenLimits = "lower `reduce`, or loosen min_channels, max_share, ignore and layers";

}  // namespace dsc::prune
