// Removing units from a model: tensors shrink, literal sizes follow, types are refreshed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "ops/channel_groups.h"

namespace dsc {

// What happened to one dimension of one weight, for whatever follows the weights (optimiser state).
struct CutDimension {
  std::string weight;
  std::int64_t dim = 0;
  std::vector<std::int64_t> kept;  // old indices, ascending
};

// Removes the units from `model`, whose groups they are; `groups` is stale afterwards.
// errors: internal, when a dimension would become empty.
std::vector<CutDimension> cut(Model& model, const ChannelGroups& groups, const Removal& removed);

// The same elements set to zero instead: what the cut model must compute, wherever no statistic over channels is taken.
void zero_out(Model& model, const ChannelGroups& groups, const Removal& removed);

}  // namespace dsc
