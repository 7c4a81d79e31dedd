// What a model's groups are, for people: names, members, sizes and cost of each, and why other dimensions stay.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/channel_groups.h"
#include "passes/prune/choose/select.h"

namespace dsc::prune {

struct GroupOverview {
  std::string name;
  std::string identity;                // survives a cut, which may rename groups: what tells this group from all others
  Kind kind = Kind::channels;
  std::int64_t channels = 0;           // heads or positions for the other kinds
  std::string statistics;              // operator whose statistics over channels a removal changes; empty: none
  std::vector<const Member*> members;  // weight dimensions that shrink
  std::vector<std::string> nodes;      // layers that make the channels
  std::vector<std::string> weights;    // their parameters
  double macs = 0, parameters = 0;     // of those layers and parameters
};

// In the order of groups.groups(), whose members the rows point to.
std::vector<GroupOverview> overview_of(const Model& model, const ChannelGroups& groups);

// A weight dimension is of interest when it makes or reads a layer's channels.
bool is_channel_dimension(const KeptDimension& kept);
// "softmax runs over these positions (aten.softmax.int, model.py:31 ...)"
std::string reason_text(const KeptDimension& kept);

}  // namespace dsc::prune
