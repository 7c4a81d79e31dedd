// prune: removes channels, attention heads and head dimensions; tensors really shrink.
//
//   before  %y = aten.conv2d(%x, w[64, 32, 3, 3])        after  %y = aten.conv2d(%x, w[40, 32, 3, 3])
//
// Everything tied to a removed channel goes with it (ops/channel_groups.h): residual stages, concatenations, heads.
// Leaves alone: the model's inputs and outputs, what operators pin (listed in the report with reason and source line),
// ignored modules. Order: before quantisation; afterwards a `finetune` usually follows.
// Sources: Li et al. 2017 (arXiv:1608.08710) for magnitude pruning, Fang et al. 2023 (arXiv:2301.12900) for dependency
// groups, Zhu & Gupta 2017 (arXiv:1710.01878) for the cubic schedule.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "core/names.h"
#include "core/random.h"
#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "ops/cost.h"
#include "ops/cut.h"
#include "passes/prune/options.h"
#include "passes/prune/recalibrate.h"
#include "passes/prune/report.h"

namespace dsc {
namespace {

using namespace prune;

// Which groups a step works on, from names and patterns.
struct Scoped {
  std::vector<bool> ignored;
  std::map<std::size_t, double> overrides;
};

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

// The model before the first step: what shares and targets refer to.
struct Base {
  Cost cost;
  std::map<std::string, std::int64_t> sizes;
};

Base measure_base(const Model& model) {
  Base base{model_cost(model), {}};
  ChannelGroups groups(model);
  for (const ChannelGroup& group : groups.groups()) base.sizes[group.name] = static_cast<std::int64_t>(group.units.size());
  return base;
}

double cost_of(const Options& options, const Cost& cost) {
  return options.reduce.macs ? cost.macs : options.reduce.parameters ? cost.parameters : cost.bytes;
}

Removal choose(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, double progress,
               const std::vector<double>& scores) {
  Scoped scoped = scope_groups(groups, options);
  std::vector<Candidate> candidates = make_candidates(groups, scores, options.scope, options.limits, scoped.ignored, scoped.overrides, base.sizes);
  double share = options.reduce.share() * progress;
  if (options.reduce.channels) return select_share(groups, candidates, options.limits, share, progress);
  double target = cost_of(options, base.cost) * (1 - share);
  auto measure = [&](const Cost& cost) { return cost_of(options, cost); };
  return select_cost(groups, CostModel(model, groups), candidates, options.limits, measure, target, progress).removed;
}

// The metric that a drop is counted in: the recipe's top1, else its first.
double metric_of(const Metrics& metrics) {
  if (metrics.empty()) throw Error(ErrorCode::recipe, "`max_drop` needs a metric, and `evaluate.metrics` names none");
  auto top1 = metrics.find("top1");
  return top1 == metrics.end() ? metrics.begin()->second : top1->second;
}

// One step: cut, re-calibrate, train, and undo it all when too much is lost. returns: whether it was undone.
bool run_step(Model& model, const Options& options, const Base& base, std::int64_t step, double base_metric, PassContext& context) {
  std::optional<Model> before;
  if (options.max_drop) before = model.clone();
  std::uint64_t seed = derive_seed(context.seed(), "prune.step", static_cast<std::uint64_t>(step));
  ChannelGroups groups(model);
  std::vector<double> scores = unit_scores(model, groups, options.importance, context, seed);
  Removal removed = choose(model, groups, options, base, progress_after(options.schedule, step, options.steps), scores);
  cut(model, groups, removed);
  if (options.recalibrate_batches > 0) recalibrate_batch_norm(model, options.recalibrate_batches, seed, context);
  if (options.finetune_each) {
    TrainHooks hooks;
    hooks.curve_prefix = "step" + std::to_string(step) + ".";
    train(model, *options.finetune_each, supervised_objective(options.finetune_each->label_smoothing), hooks, context);
  }
  if (!options.max_drop) return false;
  double metric = metric_of(context.evaluate(model, Split::valid));
  context.curve({"prune_valid", static_cast<double>(step), metric});
  double allowed = options.max_drop->value / 100;
  double lost = options.max_drop->unit == "%" ? (base_metric - metric) / base_metric : base_metric - metric;
  if (lost <= allowed) return false;
  model = std::move(*before);
  return true;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  Base base = measure_base(model);
  GroupReport report(model);
  PassResult result;
  double base_metric = 0;
  if (options.max_drop) {
    base_metric = std::stod(context.stage("base", model, [&] { return nlohmann::json(metric_of(context.evaluate(model, Split::valid))).dump(); }));
  }
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    context.check_cancelled();
    context.progress("prune", step - 1, options.steps);
    std::string undone = context.stage("step" + std::to_string(step), model, [&] {
      return run_step(model, options, base, step, base_metric, context) ? std::string("undone") : std::string();
    });
    if (undone.empty()) continue;
    result.notes.push_back("step " + std::to_string(step) + " of " + std::to_string(options.steps) +
                           " lost more than max_drop and was undone; the cut stops there");
    break;
  }
  context.progress("prune", options.steps, options.steps);
  report.finish(model, result);
  Cost cost = model_cost(model);
  result.changed = cost.parameters != base.cost.parameters;
  if (!result.changed && !options.allow_empty) {
    throw Error(ErrorCode::recipe, "prune cut nothing", {}, "raise `reduce`, lower `round_to` or `min_channels`, or set allow_empty: true");
  }
  double target = cost_of(options, base.cost) * (1 - options.reduce.share());
  if (!options.reduce.channels && std::abs(cost_of(options, cost) - target) > 0.01 * cost_of(options, base.cost)) {
    char text[160];
    std::snprintf(text, sizeof text, "reached a reduction of %.4f where %.4f was asked for: the nearest size that limits and rounding allow",
                  1 - cost_of(options, cost) / cost_of(options, base.cost), options.reduce.share());
    result.notes.emplace_back(text);
  }
  return result;
}

Problem unmatched(const std::string& pattern, const std::string& field, const std::set<std::string>& modules) {
  return {"`" + pattern + "` in `" + field + "` matches no module with prunable channels", {}, suggest(pattern, {modules.begin(), modules.end()})};
}

// Everything that can be known before training: patterns, and whether the target can be reached at all.
std::vector<Problem> check(const Model& model, const Options& options) {
  std::vector<Problem> problems;
  ChannelGroups groups(model);
  std::set<std::string> modules;
  for (const ChannelGroup& group : groups.groups()) {
    for (std::string& module : modules_of(groups, group)) modules.insert(std::move(module));
  }
  std::vector<std::string> all(modules.begin(), modules.end());
  if (!options.allow_empty) {
    for (const std::string& glob : options.ignore) {
      if (!matches_any(glob, all)) problems.push_back(unmatched(glob, "ignore", modules));
    }
    for (const auto& [glob, share] : options.layers) {
      if (!matches_any(glob, all)) problems.push_back(unmatched(glob, "layers", modules));
    }
  }
  if (!problems.empty()) return problems;
  Scoped scoped = scope_groups(groups, options);
  if (std::ranges::all_of(scoped.ignored, [](bool ignored) { return ignored; })) {
    if (!options.allow_empty) problems.push_back({"nothing can be pruned: " + (groups.groups().empty() ? why_nothing(groups) : "every group is ignored"), {}, "see `inspect --groups`"});
    return problems;
  }
  if (options.reduce.channels) return problems;
  Base base = measure_base(model);
  std::vector<Candidate> candidates = make_candidates(groups, std::vector<double>(groups.unit_count(), 1), options.scope, options.limits,
                                                      scoped.ignored, scoped.overrides, base.sizes);
  Cost least = CostModel(model, groups).after(select_share(groups, candidates, options.limits, 1, 1));
  double reachable = 1 - cost_of(options, least) / cost_of(options, base.cost);
  if (reachable < options.reduce.share()) {
    char text[160];
    std::snprintf(text, sizeof text, "a reduction of %.3f cannot be reached: at most %.3f with these limits", options.reduce.share(), reachable);
    problems.push_back({text, {}, "lower `reduce`, or loosen min_channels, max_share, ignore and layers"});
  }
  return problems;
}

std::vector<Need> needs_of(const Options& options) {
  bool data = options.finetune_each || options.recalibrate_batches > 0 || needs_data(options.importance.importance);
  return data ? std::vector<Need>{Need::train_data} : std::vector<Need>{};
}

}  // namespace

PassInfo make_prune_channels() {
  return make_pass<Options>({.id = "prune",
                             .summary = "Removes channels, heads and head dimensions, with everything tied to them.",
                             .changes = {Change::weights, Change::shapes},
                             .needs_of = needs_of,
                             .check = check},
                            run);
}

}  // namespace dsc
