#include "passes/prune/report.h"
#include "core/printed.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace dsc::prune {
namespace {

std::string count(double value) { return printed("%.0f", value); }

// "kept: blocks.0.qkv.weight dimension 0 and 2 more: softmax runs over these positions (aten.softmax.int, model.py:31 ...)"
std::vector<std::string> notes_on_kept(const ChannelGroups& groups) {
  std::vector<std::pair<std::string, std::vector<std::string>>> by_reason;
  for (const KeptDimension& kept : groups.kept_dimensions()) {
    if (!is_channel_dimension(kept)) continue;
    std::string reason = reason_text(kept);
    auto found = std::ranges::find(by_reason, reason, &std::pair<std::string, std::vector<std::string>>::first);
    if (found == by_reason.end()) found = by_reason.insert(by_reason.end(), {reason, {}});
    found->second.push_back(kept.weight + " dimension " + std::to_string(kept.dim));
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
  rows_ = overview_of(before, groups);
  for (GroupOverview& row : rows_) row.members.clear();
  notes_ = notes_on_kept(groups);
  for (const Node* node : groups.unknown_operators()) notes_.push_back("operator without a rule, nothing around it is cut: " + node->target() + " " + node->source_line());
}

void GroupReport::finish(const Model& after, PassResult& result) const {
  std::map<std::string, double> macs;
  for (const NodeCost& cost : node_costs(after)) macs[cost.node->name()] = cost.macs;
  ChannelGroups groups(after);
  std::map<std::string, std::int64_t> left;
  for (const GroupOverview& row : overview_of(after, groups)) left[row.identity] = row.channels;
  Table table{"groups", {"group", "kind", "channels", "channels after", "MACs", "MACs after", "parameters", "parameters after"}, {}};
  std::set<std::string> statistics;
  for (const GroupOverview& row : rows_) {
    double macs_after = 0, parameters_after = 0;
    for (const std::string& node : row.nodes) macs_after += macs[node];
    for (const std::string& weight : row.weights) parameters_after += static_cast<double>(after.weights.get(weight).numel());
    auto found = left.find(row.identity);
    std::int64_t channels_after = found == left.end() ? 1 : found->second;  // a single channel is no group
    if (channels_after < row.channels && !row.statistics.empty()) statistics.insert(row.statistics);
    table.rows.push_back({row.name, dsc::to_text(row.kind), std::to_string(row.channels), std::to_string(channels_after), count(row.macs),
                          count(macs_after), count(row.parameters), count(parameters_after)});
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
