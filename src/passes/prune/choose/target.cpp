#include "passes/prune/choose/target.h"

#include <algorithm>

#include "core/names.h"
#include "passes/prune/overview.h"
#include "passes/prune/choose/sensitivity.h"

namespace dsc::prune {

std::vector<Candidate> candidates_of(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, const std::vector<double>& scores) {
  Scoped scoped = scope_groups(groups, options);
  std::vector<std::int64_t> original;
  std::vector<std::string> names;
  for (const GroupOverview& row : overview_of(model, groups)) {
    auto before = base.groups.find(row.identity);
    bool known = before != base.groups.end();
    original.push_back(known ? before->second.size : row.channels);
    names.push_back(known ? before->second.name : row.name);
  }
  std::vector<Candidate> candidates = make_candidates(groups, scores, options.scope, options.limits, scoped.ignored, scoped.overrides, original);
  if (options.scope == Scope::sensitivity && base.sensitivity) rank_by_sensitivity(*base.sensitivity, names, candidates);
  return candidates;
}

Base measure_base(const Model& model) {
  Base base{model_cost(model), {}, {}};
  ChannelGroups groups(model);
  for (const GroupOverview& row : overview_of(model, groups)) base.groups[row.identity] = {row.name, row.channels};
  return base;
}

bool matches_any(const std::string& glob, const std::vector<std::string>& modules) {
  return std::ranges::any_of(modules, [&](const std::string& module) { return matches_glob(glob, module); });
}

Scoped scope_groups(const ChannelGroups& groups, const Options& options) {
  Scoped scoped;
  for (std::size_t g = 0; g < groups.groups().size(); ++g) {
    const ChannelGroup& group = groups.groups()[g];
    std::vector<std::string> modules = modules_of(groups, group);
    bool wanted_kind = std::ranges::find(options.kinds, kind_of(groups, group)) != options.kinds.end();
    bool ignored = std::ranges::any_of(options.ignore, [&](const std::string& glob) { return matches_any(glob, modules); });
    scoped.ignored.push_back(!wanted_kind || ignored || group.units.size() < 2);
    for (const auto& [glob, share] : options.layers) {
      if (matches_any(glob, modules)) scoped.overrides[g] = share;
    }
  }
  return scoped;
}

double cost_of(const Reduce& reduce, const Cost& cost) {
  return reduce.parameters ? cost.parameters : reduce.bytes ? cost.bytes : cost.macs;
}

Removal choose(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, double progress,
               const std::vector<double>& scores) {
  std::vector<Candidate> candidates = candidates_of(model, groups, options, base, scores);
  double share = options.reduce.share() * progress;
  if (options.reduce.channels) return select_share(groups, candidates, share, progress);
  double target = cost_of(options.reduce, base.cost) * (1 - share);
  auto measure = [&](const Cost& cost) { return cost_of(options.reduce, cost); };
  return select_cost(groups, CostModel(model, groups), candidates, measure, target, progress).removed;
}

double reachable_reduction(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base) {
  std::vector<Candidate> candidates = candidates_of(model, groups, options, base, std::vector<double>(groups.unit_count(), 1));
  Cost least = CostModel(model, groups).after(select_share(groups, candidates, 1, 1));
  return 1 - cost_of(options.reduce, least) / cost_of(options.reduce, base.cost);
}

}  // namespace dsc::prune
