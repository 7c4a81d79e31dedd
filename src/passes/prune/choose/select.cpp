#include "passes/prune/choose/select.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "ops/modules.h"

namespace dsc::prune {
namespace {

// Units to cut so that the rest is a multiple of the step (rounded up) and no limit is broken.
std::int64_t allowed(const Candidate& candidate, std::int64_t wanted) {
  auto size = static_cast<std::int64_t>(candidate.order.size());
  std::int64_t kept = size - std::clamp(wanted, std::int64_t{0}, candidate.most);
  kept = std::min(size, (kept + candidate.step - 1) / candidate.step * candidate.step);
  return size - kept;
}

std::int64_t pool_count(const std::vector<Candidate>& candidates) {
  std::size_t pools = 0;
  for (const Candidate& candidate : candidates) pools = std::max(pools, candidate.pool + 1);
  return static_cast<std::int64_t>(pools);
}

// How many units of each candidate go when `wanted(pool size, pool original)` of each pool go, lowest scores first.
std::vector<std::int64_t> counts_for(const std::vector<Candidate>& candidates, double override_progress,
                                     const std::function<std::int64_t(std::int64_t, std::int64_t)>& wanted) {
  std::vector<std::int64_t> counts(candidates.size(), 0);
  std::vector<std::vector<std::size_t>> pools(static_cast<std::size_t>(pool_count(candidates)));
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (candidate.share) {
      auto size = static_cast<std::int64_t>(candidate.order.size());
      auto gone = static_cast<std::int64_t>(std::llround(*candidate.share * override_progress * static_cast<double>(candidate.original)));
      counts[i] = gone - (candidate.original - size);
    } else {
      pools[candidate.pool].push_back(i);
    }
  }
  for (const std::vector<std::size_t>& pool : pools) {
    std::int64_t size = 0, original = 0;
    std::vector<std::pair<double, std::size_t>> ranked;
    for (std::size_t i : pool) {
      size += static_cast<std::int64_t>(candidates[i].order.size());
      original += candidates[i].original;
      // A group's own limit holds before the ranking, so that what it may not lose is taken elsewhere.
      for (std::int64_t k = 0; k < candidates[i].most; ++k) ranked.emplace_back(candidates[i].scores[static_cast<std::size_t>(k)], i);
    }
    std::ranges::stable_sort(ranked, {}, &std::pair<double, std::size_t>::first);
    auto take = std::min(wanted(size, original), static_cast<std::int64_t>(ranked.size()));
    for (std::int64_t k = 0; k < take; ++k) ++counts[ranked[static_cast<std::size_t>(k)].second];
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) counts[i] = allowed(candidates[i], counts[i]);
  return counts;
}

// Indices that one unit takes, at most, in a dimension: 1 for a channel, 32 for a head of 32 positions.
std::int64_t channels_of_unit(const ChannelGroups& groups, const ChannelGroup& group) {
  std::int64_t most = 1;
  for (std::size_t m : group.members) {
    const auto holds_unit = [&](std::int32_t label) { return std::ranges::find(groups.units(label), group.units.front()) != groups.units(label).end(); };
    most = std::max<std::int64_t>(most, std::ranges::count_if(groups.labels(groups.members()[m].axis), holds_unit));
  }
  return most;
}

// Groups of one shape: the same kinds of weight dimensions with the same numbers of units.
std::string shape_key(const ChannelGroups& groups, const ChannelGroup& group) {
  std::multiset<std::string> parts;
  for (std::size_t m : group.members) {
    const Member& member = groups.members()[m];
    parts.insert(std::to_string(member.value->tensor().rank()) + ":" + std::to_string(member.dim) + ":" +
                 std::to_string(static_cast<int>(member.role)));
  }
  std::string key;
  for (const std::string& part : parts) key += part + " ";
  return key;
}

// Lets the one group lose a unit more whose loss gets to the target and least beyond it; else the one that gets nearest.
Cost take_last_step(const std::vector<Candidate>& candidates, std::vector<std::int64_t>& counts, Cost cost,
                    const std::function<Cost(const std::vector<std::int64_t>&)>& cost_at,
                    const std::function<double(const Cost&)>& cost_of, double target) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::int64_t before = counts[i];
    if (candidates[i].share || before + candidates[i].step > candidates[i].most) continue;
    counts[i] += candidates[i].step;
    Cost next = cost_at(counts);
    counts[i] = before;
    bool reaches = cost_of(next) <= target, reached = cost_of(cost) <= target;
    bool better = reaches == reached ? reaches == (cost_of(next) > cost_of(cost)) : reaches;
    if (!better) continue;
    best = i;
    cost = next;
  }
  if (best) counts[*best] += candidates[*best].step;
  return cost;
}

// Coarse steps (round_to) can leave the cost far below the target: returns what fits, each time where most is regained.
Cost give_back(const std::vector<Candidate>& candidates, std::vector<std::int64_t>& counts, Cost cost,
               const std::function<Cost(const std::vector<std::int64_t>&)>& cost_at,
               const std::function<double(const Cost&)>& cost_of, double target) {
  while (cost_of(cost) < 0.99 * target) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (candidates[i].share || counts[i] < candidates[i].step) continue;
      counts[i] -= candidates[i].step;
      Cost next = cost_at(counts);
      counts[i] += candidates[i].step;
      if (cost_of(next) > target || cost_of(next) <= cost_of(cost)) continue;
      best = i;
      cost = next;
    }
    if (!best) break;
    counts[*best] -= candidates[*best].step;
  }
  return cost;
}

}  // namespace

std::span<const std::string_view> enum_names(Scope) {
  static constexpr std::array<std::string_view, 4> kNames{"layer", "isomorphic", "global", "sensitivity"};
  return kNames;
}
std::span<const std::string_view> enum_names(Kind) {
  static constexpr std::array<std::string_view, 4> kNames{"channels", "blocks", "within_blocks", "experts"};
  return kNames;
}

Kind kind_of(const ChannelGroups& groups, const ChannelGroup& group) {
  if (group.is_chosen) return Kind::experts;
  for (std::size_t m : group.members) {
    std::span<const std::int32_t> labels = groups.labels(groups.members()[m].axis);
    bool shared = false, adjacent = false;
    for (std::size_t k = 0; k < labels.size(); ++k) {
      std::span<const UnitId> units = groups.units(labels[k]);
      if (std::ranges::find(units, group.units.front()) == units.end()) continue;
      shared |= units.size() > 1;
      adjacent |= k + 1 < labels.size() && std::ranges::find(groups.units(labels[k + 1]), group.units.front()) != groups.units(labels[k + 1]).end();
    }
    if (shared) return adjacent ? Kind::blocks : Kind::within_blocks;
  }
  return Kind::channels;
}

std::vector<std::string> modules_of(const ChannelGroups& groups, const ChannelGroup& group) {
  std::set<std::string> modules;
  for (std::size_t m : group.members) {
    const Member& member = groups.members()[m];
    if (member.role == Role::consumes) continue;
    modules.insert(module_of(member.weight));
  }
  return {modules.begin(), modules.end()};
}

std::vector<Candidate> make_candidates(const ChannelGroups& groups, const std::vector<double>& scores, Scope scope,
                                       const Limits& limits, const std::vector<bool>& ignored,
                                       const std::map<std::size_t, double>& overrides,
                                       const std::vector<std::int64_t>& original) {
  std::vector<Candidate> candidates;
  std::map<std::string, std::size_t> pools;
  for (std::size_t g = 0; g < groups.groups().size(); ++g) {
    const ChannelGroup& group = groups.groups()[g];
    if (ignored[g]) continue;
    Candidate candidate{g, group.units};
    auto size = static_cast<std::int64_t>(group.units.size());
    std::ranges::stable_sort(candidate.order, {}, [&](UnitId unit) { return scores[static_cast<std::size_t>(unit)]; });
    for (UnitId unit : candidate.order) candidate.scores.push_back(scores[static_cast<std::size_t>(unit)]);
    candidate.original = original.at(g);
    if (!group.is_chosen) candidate.step = limits.round_to / std::gcd(limits.round_to, channels_of_unit(groups, group));
    auto spared = static_cast<std::int64_t>(std::ceil(static_cast<double>(candidate.original) * (1 - limits.max_share)));
    candidate.most = std::max<std::int64_t>(0, size - std::max({limits.min_channels, spared, group.least}));
    auto fixed = overrides.find(g);
    if (fixed != overrides.end()) candidate.share = fixed->second;
    std::string key = scope == Scope::layer ? std::to_string(g) : scope == Scope::isomorphic ? shape_key(groups, group) : "";
    candidate.pool = pools.emplace(std::move(key), pools.size()).first->second;
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

std::vector<std::int64_t> allowed_counts(const Candidate& candidate) {
  std::set<std::int64_t> counts;
  for (std::int64_t wanted = 0; wanted <= candidate.most; ++wanted) counts.insert(allowed(candidate, wanted));
  return {counts.begin(), counts.end()};
}

Removal removal_of(const ChannelGroups& groups, const std::vector<Candidate>& candidates, const std::vector<std::int64_t>& counts) {
  Removal removed = groups.nothing();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    for (std::int64_t k = 0; k < counts[i]; ++k) removed[static_cast<std::size_t>(candidates[i].order[static_cast<std::size_t>(k)])] = 1;
  }
  return removed;
}

std::int64_t count_of(const Candidate& candidate, const Removal& removed) {
  return std::ranges::count_if(candidate.order, [&](UnitId unit) { return removed[static_cast<std::size_t>(unit)] != 0; });
}

Removal select_share(const ChannelGroups& groups, const std::vector<Candidate>& candidates, double share, double override_progress) {
  auto wanted = [&](std::int64_t size, std::int64_t original) {
    return static_cast<std::int64_t>(std::llround(share * static_cast<double>(original))) - (original - size);
  };
  return removal_of(groups, candidates, counts_for(candidates, override_progress, wanted));
}

Selection select_cost(const ChannelGroups& groups, const CostModel& model, const std::vector<Candidate>& candidates,
                      const std::function<double(const Cost&)>& cost_of, double target, double override_progress) {
  auto counts_at = [&](double share) {
    return counts_for(candidates, override_progress,
                      [&](std::int64_t size, std::int64_t) { return static_cast<std::int64_t>(std::floor(share * static_cast<double>(size))); });
  };
  auto cost_at = [&](const std::vector<std::int64_t>& counts) { return model.after(removal_of(groups, candidates, counts)); };
  double low = 0, high = 1;
  for (int i = 0; i < 30; ++i) {
    double middle = (low + high) / 2;
    (cost_of(cost_at(counts_at(middle))) <= target ? high : low) = middle;
  }
  // Between both many groups may lose a unit at once: let them do so one by one, up to the last step before the target.
  std::vector<std::int64_t> counts = counts_at(low), enough = counts_at(high);
  Cost cost = cost_at(counts);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::int64_t before = std::exchange(counts[i], enough[i]);
    if (before >= enough[i]) continue;
    Cost next = cost_at(counts);
    if (cost_of(next) <= target) {
      counts[i] = before;
    } else {
      cost = next;
    }
  }
  if (cost_of(cost) <= target) cost = give_back(candidates, counts, cost, cost_at, cost_of, target);
  if (cost_of(cost) > target) cost = take_last_step(candidates, counts, cost, cost_at, cost_of, target);
  return {removal_of(groups, candidates, counts), cost};
}

}  // namespace dsc::prune
