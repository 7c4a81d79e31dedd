#include "passes/prune/choose/search.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "ops/cut.h"
#include "passes/prune/choose/target.h"
#include "passes/prune/overview.h"
#include "train/monitor.h"
#include "train/recalibrate.h"

namespace dsc::prune {
namespace {

// What an agent sees of a group: its width and depth, and its share of the cost.
std::vector<double> features_of(const GroupOverview& row) {
  return {std::log(static_cast<double>(row.channels)), static_cast<double>(row.nodes.size()), row.macs, row.parameters, static_cast<double>(row.kind)};
}

// Cuts by ranking, in place of a search.
std::vector<search::Plan> ranked_plans(const CutSpace& cuts, const Model& model, const ChannelGroups& groups, const Options& options, const Base& base,
                                       const std::vector<double>& scores) {
  std::vector<search::Plan> plans;
  for (const Scope scope : {Scope::layer, Scope::global, options.scope}) {
    Options ranked = options;
    ranked.scope = scope;
    search::Plan plan = cuts.plan_of(choose(model, groups, ranked, base, 1, scores));
    if (std::ranges::find(plans, plan) == plans.end()) plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace

void SearchOptions::fields(FieldVisitor& visit) {
  search::Options::fields(visit, {.agent = "amc",
                                  .levels = "shares of groups",
                                  .parts = "groups",
                                  .episodes = "Cuts to try: each is made on a copy, re-calibrated as `recalibrate_batches` says, and evaluated."});
}

CutSpace::CutSpace(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, const std::vector<double>& scores)
    : groups_(groups), costs_(model, groups), candidates_(candidates_of(model, groups, options, base, scores)) {
  const auto overview = overview_of(model, groups);
  const Removal overridden = select_share(groups, candidates_, 0, 1);
  std::vector<search::Part> parts;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& candidate = candidates_[i];
    fixed_.push_back(candidate.share ? count_of(candidate, overridden) : 0);
    auto levels = allowed_counts(candidate);
    if (candidate.share || levels.size() < 2) continue;
    const GroupOverview& row = overview[candidate.group];
    parts.push_back({row.name, static_cast<std::int64_t>(levels.size()), features_of(row)});
    searched_.push_back(i);
    levels_.push_back(std::move(levels));
  }
  if (parts.empty()) throw Error(ErrorCode::recipe, "`search` has no group to decide on", {.pointer = "/search"}, "ignore less, or take `search` out");
  const double budget = cost_of(options.reduce, base.cost) * (1 - options.reduce.share());
  space_ = std::make_unique<search::Space>(
      std::move(parts), [this, &options](const search::Plan& plan) { return cost_of(options.reduce, costs_.after(removal(plan))); }, budget);
}

Removal CutSpace::removal(const search::Plan& plan) const { return removal_of(groups_, candidates_, counts_of(plan)); }

std::vector<std::int64_t> CutSpace::counts_of(const search::Plan& plan) const {
  std::vector<std::int64_t> counts = fixed_;
  for (std::size_t p = 0; p < plan.size(); ++p) counts[searched_[p]] = levels_[p][static_cast<std::size_t>(plan[p])];
  return counts;
}

search::Plan CutSpace::plan_of(const Removal& removed) const {
  search::Plan plan;
  for (std::size_t p = 0; p < searched_.size(); ++p) {
    const auto place = std::ranges::lower_bound(levels_[p], count_of(candidates_[searched_[p]], removed));
    plan.push_back(std::min(place, std::prev(levels_[p].end())) - levels_[p].begin());
  }
  return space_->fits(plan) ? plan : space_->plan_of(space_->fit(space_->shares_of(plan)));
}

search::Record search_cut(Model& model, const Options& options, const Base& base, std::uint64_t seed, PassContext& context) {
  require_validation(context, "/search");
  const SearchOptions& how = *options.search;
  const Model whole = model.clone();  // a search that goes on puts its saved model, the same one, in the place of `model`
  const ChannelGroups groups(whole);
  const std::vector<double> scores = unit_scores(whole, groups, options.importance, context, seed);
  const CutSpace cuts(whole, groups, options, base, scores);
  auto starts = ranked_plans(cuts, whole, groups, options, base, scores);
  const std::string metric = choose_deciding_metric(context.evaluate(whole, Split::valid, 1), "`search`");
  if (context.dry_run()) return {.metric = metric, .episodes = {{starts.front(), 0}}, .starts = 1};
  const auto measure = [&](const search::Plan& plan) {
    Model copy = whole.clone();
    cut(copy, ChannelGroups(copy), cuts.removal(plan));
    if (options.recalibrate_batches > 0) recalibrate_batch_norm(copy, options.recalibrate_batches, seed, context);
    return context.evaluate(copy, Split::valid, how.evaluate).at(metric);
  };
  const auto proposer = search::make_proposer(cuts.space(), std::move(starts), how, derive_seed(seed, "prune.search"));
  return search::run_episodes(*proposer, metric, how.episodes, measure, model, context);
}

}  // namespace dsc::prune
