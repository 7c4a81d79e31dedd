// What the report says about a cut: every group before and after, and what could not be cut and why.
#pragma once

#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "ops/cost.h"
#include "passes/prune/overview.h"

namespace dsc::prune {

// Why a model has no group at all, in one sentence.
std::string why_nothing(const ChannelGroups& groups);

class GroupReport {
 public:
  explicit GroupReport(const Model& before);
  // Adds the table "groups", statistics and notes.
  void finish(const Model& after, PassResult& result) const;

 private:
  std::vector<GroupOverview> rows_;  // without members, which belong to a graph that is cut
  std::vector<std::string> notes_;
  Cost cost_;
};

}  // namespace dsc::prune
