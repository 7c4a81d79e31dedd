// What the report says about a cut: every group before and after, and what could not be cut and why.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "ops/cost.h"

namespace dsc::prune {

// Why a model has no group at all, in one sentence.
std::string why_nothing(const ChannelGroups& groups);

class GroupReport {
 public:
  explicit GroupReport(const Model& before);
  // Adds the table "groups", statistics and notes.
  void finish(const Model& after, PassResult& result) const;

 private:
  struct Row {
    std::string name, kind, statistics;
    std::int64_t units = 0;
    std::vector<std::string> nodes;    // layers that make the channels
    std::vector<std::string> weights;  // their parameters
    double macs = 0, parameters = 0;
  };
  std::vector<Row> rows_;
  std::vector<std::string> notes_;
  Cost cost_;
};

}  // namespace dsc::prune
