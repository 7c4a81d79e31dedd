#include "cli/inspect_groups.h"

#include <nlohmann/json.hpp>

#include "cli/session.h"
#include "core/log.h"
#include "ir/inlined_branches.h"
#include "passes/prune/overview.h"

namespace dsc {
namespace {

std::string_view role_name(Role role) {
  switch (role) {
    case Role::produces: return "makes";
    case Role::consumes: return "reads";
    case Role::scales: return "scales";
    case Role::other: return "follows";
  }
  return "";
}

std::string describe(const Member& member) {
  return member.weight + "[" + std::to_string(member.dim) + "] (" + std::string(role_name(member.role)) + ")";
}

}  // namespace

std::string groups_text(const Model& whole, bool members) {
  const Model model = with_inlined_branches(whole);  // as pruning sees it
  const ChannelGroups groups(model);
  std::vector<std::vector<std::string>> rows = {{"group", "kind", "channels", "MACs", "parameters", "members"}};
  const auto overview = prune::overview_of(model, groups);
  for (const auto& row : overview) {
    rows.push_back({row.name, to_text(row.kind), std::to_string(row.channels), format_count(row.macs), format_count(row.parameters),
                    std::to_string(row.members.size())});
  }
  std::string text = format_table(rows);
  for (const auto& row : overview) {
    if (!members) break;
    text += "\n" + row.name + ":" + (row.statistics.empty() ? "" : " (" + row.statistics + " takes statistics over these channels)") + "\n";
    for (const auto* member : row.members) text += "  " + describe(*member) + "\n";
  }
  std::vector<std::vector<std::string>> kept = {{"cannot shrink", "size", "because"}};
  for (const auto& dimension : groups.kept_dimensions()) {
    if (!prune::is_channel_dimension(dimension)) continue;
    const auto size = model.graph.find_weight(dimension.weight)->tensor().sizes.at(static_cast<std::size_t>(dimension.dim)).size;
    kept.push_back({dimension.weight + "[" + std::to_string(dimension.dim) + "]", std::to_string(size), prune::reason_text(dimension)});
  }
  if (kept.size() > 1) text += "\n" + format_table(kept);
  for (const auto* node : groups.unknown_operators()) {
    text += "operator without a rule, nothing around it can shrink: " + node->target() + " " + node->source_line() + "\n";
  }
  return text;
}

nlohmann::ordered_json groups_json(const Model& whole) {
  const Model model = with_inlined_branches(whole);  // as pruning sees it
  const ChannelGroups groups(model);
  nlohmann::ordered_json json = {{"groups", nlohmann::ordered_json::array()}, {"kept", nlohmann::ordered_json::array()},
                                 {"unknown_operators", nlohmann::ordered_json::array()}};
  const auto overview = prune::overview_of(model, groups);
  for (std::size_t g = 0; g < overview.size(); ++g) {
    const auto& row = overview[g];
    nlohmann::ordered_json entry = {{"name", row.name}, {"kind", to_text(row.kind)}, {"channels", row.channels}, {"macs", row.macs},
                                    {"parameters", row.parameters}, {"statistics", row.statistics},
                                    {"modules", prune::modules_of(groups, groups.groups()[g])}, {"members", nlohmann::ordered_json::array()}};
    for (const auto* member : row.members) {
      entry["members"].push_back({{"weight", member->weight}, {"dim", member->dim}, {"role", role_name(member->role)}});
    }
    json["groups"].push_back(std::move(entry));
  }
  for (const auto& kept : groups.kept_dimensions()) {
    if (!prune::is_channel_dimension(kept)) continue;
    json["kept"].push_back({{"weight", kept.weight}, {"dim", kept.dim}, {"role", role_name(kept.role)}, {"reason", kept.reason},
                            {"operation", kept.operation}, {"source", kept.source}});
  }
  for (const auto* node : groups.unknown_operators()) {
    json["unknown_operators"].push_back({{"node", node->name()}, {"operation", node->target()}, {"source", node->source_line()}});
  }
  return json;
}

}  // namespace dsc
