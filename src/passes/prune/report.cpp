#include "passes/prune/report.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "passes/prune/select.h"

namespace dsc::prune {
namespace {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::map<std::string, double> macs_by_node(const Model& model) {
  std::map<std::string, double> macs;
  for (const NodeCost& cost : node_costs(model)) macs[cost.node->name()] = cost.macs;
  return macs;
}

double parameters_of(const Model& model, const std::vector<std::string>& weights) {
  double count = 0;
  for (const std::string& weight : weights) count += static_cast<double>(model.weights.get(weight).numel());
  return count;
}

// "softmax runs over these positions (aten.softmax.int, model.py:31 ...): 3 dimensions, the first of blocks.0.qkv.weight"
std::vector<std::string> notes_on_kept(const ChannelGroups& groups) {
  std::vector<std::pair<std::string, std::vector<std::string>>> by_reason;
  for (const KeptDimension& kept : groups.kept_dimensions()) {
    if (kept.role != Role::produces && kept.role != Role::consumes) continue;
    std::string reason = kept.reason + (kept.operation.empty() ? "" : " (" + kept.operation + (kept.source.empty() ? "" : ", " + kept.source) + ")");
    std::string where = kept.weight + " dimension " + std::to_string(kept.dim);
    auto found = std::ranges::find(by_reason, reason, &std::pair<std::string, std::vector<std::string>>::first);
    if (found == by_reason.end()) found = by_reason.insert(by_reason.end(), {reason, {}});
    found->second.push_back(where);
  }
  std::vector<std::string> notes;
  for (const auto& [reason, places] : by_reason) {
    std::string note = "kept: " + places.front();
    if (places.size() > 1) note += " and " + std::to_string(places.size() - 1) + " more";
    notes.push_back(note + ": " + reason);
  }
  return notes;
}

}  // namespace

std::string why_nothing(const ChannelGroups& groups) {
  std::vector<std::string> notes = notes_on_kept(groups);
  return notes.empty() ? "the model has no layer with channels" : notes.front();
}

GroupReport::GroupReport(const Model& before) : cost_(model_cost(before)) {
  ChannelGroups groups(before);
  std::map<std::string, double> macs = macs_by_node(before);
  for (const ChannelGroup& group : groups.groups()) {
    Row row{group.name, to_text(kind_of(groups, group)), group.statistics, static_cast<std::int64_t>(group.units.size())};
    std::set<std::string> nodes;
    for (std::size_t m : group.members) {
      const Member& member = groups.members()[m];
      if (member.role != Role::produces) continue;
      row.weights.push_back(member.weight);
      for (const Use& use : member.value->uses()) {
        if (use.node && nodes.insert(use.node->name()).second) row.nodes.push_back(use.node->name());
      }
    }
    for (const std::string& node : row.nodes) row.macs += macs[node];
    row.parameters = parameters_of(before, row.weights);
    rows_.push_back(std::move(row));
  }
  notes_ = notes_on_kept(groups);
  for (const Node* node : groups.unknown_operators()) notes_.push_back("operator without a rule, nothing around it is cut: " + node->target() + " " + node->source_line());
}

void GroupReport::finish(const Model& after, PassResult& result) const {
  std::map<std::string, double> macs = macs_by_node(after);
  Table table{"groups", {"group", "kind", "channels", "channels after", "MACs", "MACs after", "parameters", "parameters after"}, {}};
  std::set<std::string> statistics;
  ChannelGroups groups(after);
  std::map<std::string, std::int64_t> units;
  for (const ChannelGroup& group : groups.groups()) units[group.name] = static_cast<std::int64_t>(group.units.size());
  for (const Row& row : rows_) {
    double macs_after = 0;
    for (const std::string& node : row.nodes) macs_after += macs[node];
    std::int64_t left = units.contains(row.name) ? units[row.name] : 1;
    if (left < row.units && !row.statistics.empty()) statistics.insert(row.statistics);
    table.rows.push_back({row.name, row.kind, std::to_string(row.units), std::to_string(left), fixed(row.macs, 0), fixed(macs_after, 0),
                          fixed(row.parameters, 0), fixed(parameters_of(after, row.weights), 0)});
  }
  result.tables.push_back(std::move(table));
  result.notes.insert(result.notes.end(), notes_.begin(), notes_.end());
  for (const std::string& op : statistics) result.notes.push_back("cutting changes the statistics that " + op + " takes over channels");
  Cost cost = model_cost(after);
  result.statistics.push_back({"groups", static_cast<double>(rows_.size()), ""});
  result.statistics.push_back({"macs_reduction", 1 - cost.macs / cost_.macs, "fraction"});
  result.statistics.push_back({"parameters_reduction", 1 - cost.parameters / cost_.parameters, "fraction"});
  result.statistics.push_back({"bytes_reduction", 1 - cost.bytes / cost_.bytes, "fraction"});
}

}  // namespace dsc::prune
