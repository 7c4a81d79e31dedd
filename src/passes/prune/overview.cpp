#include "passes/prune/overview.h"

#include <ATen/core/Tensor.h>

#include <map>
#include <set>
#include <utility>

#include "ops/cost.h"
#include "ops/experts.h"

namespace dsc::prune {
namespace {

// The weight dimensions a group lies in, whether its units are blocks in them, and its number among those alike. A group
// of positions inside heads becomes one of channels when a single head is left, so those two count as one kind.
std::string identity_of(const GroupOverview& row, std::map<std::string, int>& seen) {
  std::string text = row.kind == Kind::blocks ? "blocks" : "channels";
  for (const Member* member : row.members) text += " " + member->weight + "[" + std::to_string(member->dim) + "]";
  return text + " #" + std::to_string(++seen[text]);
}

}  // namespace

std::vector<GroupOverview> overview_of(const Model& model, const ChannelGroups& groups) {
  std::map<std::string, double> macs;
  for (const NodeCost& cost : node_costs(model)) macs[cost.node->name()] = cost.macs;
  std::map<std::string, int> seen;
  std::vector<GroupOverview> rows;
  for (const ChannelGroup& group : groups.groups()) {
    GroupOverview row{.name = group.name, .kind = kind_of(groups, group), .channels = static_cast<std::int64_t>(group.units.size()),
                      .statistics = group.statistics};
    std::set<std::string> nodes;
    for (std::size_t m : group.members) {
      const Member& member = groups.members()[m];
      row.members.push_back(&member);
      if (member.role != Role::produces) continue;
      row.weights.push_back(member.weight);
      for (const Node* node : readers_of_weight(member.value)) {
        if (nodes.insert(node->name()).second) row.nodes.push_back(node->name());
      }
    }
    for (const std::string& node : row.nodes) row.macs += macs[node];
    for (const std::string& weight : row.weights) row.parameters += static_cast<double>(model.weights.get(weight).numel());
    row.identity = identity_of(row, seen);
    rows.push_back(std::move(row));
  }
  return rows;
}

bool is_channel_dimension(const KeptDimension& kept) { return kept.role == Role::produces || kept.role == Role::consumes; }

std::string reason_text(const KeptDimension& kept) {
  if (kept.operation.empty()) return kept.reason;
  return kept.reason + " (" + kept.operation + (kept.source.empty() ? "" : ", " + kept.source) + ")";
}

}  // namespace dsc::prune
