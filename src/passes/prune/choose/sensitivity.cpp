#include "passes/prune/choose/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/metric_facts.h"
#include "core/random.h"
#include "ops/cut.h"
#include "passes/prune/choose/target.h"
#include "train/monitor.h"
#include "train/recalibrate.h"

namespace dsc::prune {
namespace {

double loss_of(const SenseTable& table, double value) { return fall_of(table.metric, table.base, value); }

// The group's least important units, all but one at most.
Removal least_important(const ChannelGroups& groups, const ChannelGroup& group, const std::vector<double>& scores, double share) {
  std::vector<UnitId> order = group.units;
  std::ranges::stable_sort(order, {}, [&](UnitId unit) { return scores[static_cast<std::size_t>(unit)]; });
  auto size = static_cast<std::int64_t>(order.size());
  std::int64_t count = std::min<std::int64_t>(size - group.least, std::llround(share * static_cast<double>(size)));
  Removal removed = groups.nothing();
  for (std::int64_t i = 0; i < count; ++i) removed[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = 1;
  return removed;
}

}  // namespace

void SensitivityOptions::fields(FieldVisitor& visit) {
  visit("shares", shares, {.text = "Shares of each group to measure at.", .unit = "fraction", .minimum = 0.01, .maximum = 0.99});
  visit("examples", examples, {.text = "Examples of the valid split to measure on; 0: all.", .minimum = 0});
  visit("table", table, {.text = "Table written by `dscompress sense RECIPE --json`; empty: measure in this step."});
  visit.check(shares.empty() ? "`shares` must name at least one share" : "");
}

SenseTable measure_sensitivity(const Model& model, const Options& options, PassContext& context) {
  Metrics base = context.evaluate(model, Split::valid, options.sensitivity.examples);
  SenseTable table{.setting = "share cut", .metric = choose_deciding_metric(base, "the sensitivity of channels")};
  table.base = base.at(table.metric);
  ChannelGroups groups(model);
  Scoped scoped = scope_groups(groups, options);
  std::uint64_t seed = derive_seed(context.seed(), "prune.sense");
  std::vector<double> scores = unit_scores(model, groups, options.importance, context, seed);
  auto group_count = static_cast<std::int64_t>(groups.groups().size());
  for (std::size_t g = 0; g < groups.groups().size(); ++g) {
    if (scoped.ignored[g]) continue;
    for (double share : options.sensitivity.shares) {
      context.check_cancelled();
      Model copy = model.clone();
      ChannelGroups own(copy);
      cut(copy, own, least_important(own, own.groups()[g], scores, share));
      if (options.recalibrate_batches > 0) recalibrate_batch_norm(copy, options.recalibrate_batches, seed, context);
      table.points.push_back({groups.groups()[g].name, share, context.evaluate(copy, Split::valid, options.sensitivity.examples).at(table.metric)});
    }
    context.progress("sense", static_cast<std::int64_t>(g) + 1, group_count);
  }
  return table;
}

double expected_loss(const SenseTable& table, const std::string& part, double share) {
  std::map<double, double> by_share{{0.0, 0.0}};
  for (const SensePoint& point : table.points) {
    if (point.part == part) by_share[point.setting] = loss_of(table, point.value);
  }
  double worst = 0;
  for (auto& [at, loss] : by_share) loss = worst = std::max(worst, loss);
  by_share.emplace(1.0, std::max(worst, std::abs(table.base)));
  auto above = by_share.lower_bound(std::clamp(share, 0.0, 1.0));
  if (above == by_share.begin()) return above->second;
  auto below = std::prev(above);
  return below->second + (share - below->first) / (above->first - below->first) * (above->second - below->second);
}

void rank_by_sensitivity(const SenseTable& table, const std::vector<std::string>& names, std::vector<Candidate>& candidates) {
  for (Candidate& candidate : candidates) {
    const std::string& name = names.at(candidate.group);
    if (std::ranges::find(table.points, name, &SensePoint::part) == table.points.end()) {
      throw Error(ErrorCode::data, "the sensitivity table has no group `" + name + "`", {}, "measure it again for this model and these options");
    }
    auto gone = static_cast<double>(candidate.original - static_cast<std::int64_t>(candidate.order.size()));
    for (std::size_t k = 0; k < candidate.order.size(); ++k) {
      double share = (gone + static_cast<double>(k) + 1) / static_cast<double>(candidate.original);
      // Groups that lose nothing yet are cut evenly.
      candidate.scores[k] = expected_loss(table, name, share) + 1e-9 * share;
    }
    candidate.pool = 0;
  }
}

}  // namespace dsc::prune
