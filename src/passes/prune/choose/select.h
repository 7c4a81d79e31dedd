// Choosing which units go: pools of groups, ranked, cut to a share or to a cost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/channel_groups.h"
#include "ops/cost.h"

namespace dsc::prune {

// Which groups are ranked against each other; sensitivity: all, by the accuracy that they are expected to cost.
enum class Scope : std::uint8_t { layer, isomorphic, global, sensitivity };
std::span<const std::string_view> enum_names(Scope);

// What a unit of a group is. blocks: attention heads, groups of a convolution; within_blocks: a position inside each; experts:
// of which a router chooses some for each row.
enum class Kind : std::uint8_t { channels, blocks, within_blocks, experts };
std::span<const std::string_view> enum_names(Kind);
Kind kind_of(const ChannelGroups& groups, const ChannelGroup& group);

// Modules whose output channels (or scale parameters) the group holds; what ignore lists and overrides match.
std::vector<std::string> modules_of(const ChannelGroups& groups, const ChannelGroup& group);

struct Limits {
  std::int64_t round_to = 1;      // kept channels are a multiple, where the group has more than that
  std::int64_t min_channels = 1;  // kept at least
  double max_share = 1;           // of the group's original size, cut at most
};

// A group as the selection sees it.
struct Candidate {
  std::size_t group = 0;
  std::vector<UnitId> order;      // least important first
  std::vector<double> scores;     // in that order, comparable within the pool
  std::int64_t original = 0;      // units before the first step
  std::int64_t most = 0;          // units that may go
  std::int64_t step = 1;          // units kept are a multiple: two heads of 32 channels for a round_to of 64
  std::optional<double> share;    // fixed by an override: the share of `original` that goes
  std::size_t pool = 0;
};

struct Selection {
  Removal removed;
  Cost cost;
};

// scores: by unit, comparable within the pools. original: sizes of the groups before the first step. overrides: share by
// group index.
std::vector<Candidate> make_candidates(const ChannelGroups& groups, const std::vector<double>& scores, Scope scope,
                                       const Limits& limits, const std::vector<bool>& ignored,
                                       const std::map<std::size_t, double>& overrides,
                                       const std::vector<std::int64_t>& original);

// The numbers of units that the candidate's limits let go, ascending, from 0.
std::vector<std::int64_t> allowed_counts(const Candidate& candidate);
// So many of each candidate's least important units.
Removal removal_of(const ChannelGroups& groups, const std::vector<Candidate>& candidates, const std::vector<std::int64_t>& counts);
// How many of the candidate's units a removal takes.
std::int64_t count_of(const Candidate& candidate, const Removal& removed);

// `share` of every pool's original units gone, overridden groups at `override_progress` of their own share.
Removal select_share(const ChannelGroups& groups, const std::vector<Candidate>& candidates, double share, double override_progress);

// The smallest cut with cost_of(cost) <= target: found by bisection over the share, then group by group. returns: the cut,
// whose cost is above the target when that is out of reach.
Selection select_cost(const ChannelGroups& groups, const CostModel& model, const std::vector<Candidate>& candidates,
                      const std::function<double(const Cost&)>& cost_of, double target, double override_progress);

}  // namespace dsc::prune
