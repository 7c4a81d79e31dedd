#include "passes/prune/check.h"

#include <algorithm>
#include <set>
#include <string>

#include "core/names.h"
#include "core/printed.h"
#include "ops/modules.h"
#include "passes/prune/overview.h"
#include "passes/prune/report.h"
#include "passes/prune/choose/target.h"

namespace dsc::prune {
namespace {

// The first dimension of a layer of this name whose channels cannot be cut; null: none.
const KeptDimension* find_pinned(const ChannelGroups& groups, const std::string& pattern) {
  for (const KeptDimension& kept : groups.kept_dimensions()) {
    if (kept.role == Role::produces && matches_glob(pattern, module_of(kept.weight))) return &kept;
  }
  return nullptr;
}

Problem matches_nothing(const std::string& pattern, const std::string& pointer, const std::vector<std::string>& modules) {
  return {"`" + pattern + "` matches no module with prunable channels", {.pointer = pointer}, suggest(pattern, modules)};
}

std::vector<Problem> check_patterns(const ChannelGroups& groups, const Options& options) {
  std::set<std::string> unique;
  for (const ChannelGroup& group : groups.groups()) {
    for (std::string& module : modules_of(groups, group)) unique.insert(std::move(module));
  }
  std::vector<std::string> modules(unique.begin(), unique.end());
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < options.ignore.size(); ++i) {
    const std::string& pattern = options.ignore[i];
    if (matches_any(pattern, modules) || find_pinned(groups, pattern)) continue;  // what is pinned may be named: it stays
    problems.push_back(matches_nothing(pattern, "/ignore/" + std::to_string(i), modules));
  }
  for (const auto& [pattern, share] : options.layers) {
    if (matches_any(pattern, modules)) continue;
    std::string pointer = "/layers/" + pattern;
    if (const KeptDimension* pinned = find_pinned(groups, pattern)) {
      problems.push_back({"the channels of `" + pattern + "` cannot be cut: " + pinned->weight + " dimension " + std::to_string(pinned->dim) + " stays because: " +
                              reason_text(*pinned), {.pointer = pointer}, "leave it out of `layers`"});
    } else {
      problems.push_back(matches_nothing(pattern, pointer, modules));
    }
  }
  return problems;
}

std::vector<Problem> check_training(const Model& model, const Options& options) {
  std::vector<Problem> problems;
  if (options.sparsify) problems = check_distillation(model, options.sparsify->training.targets, "/sparsify");
  if (!options.distill_each) return problems;
  for (Problem& problem : check_distillation(model, options.distill_each->targets, "/distill_each")) problems.push_back(std::move(problem));
  return problems;
}

}  // namespace

std::vector<Problem> check(const Model& model, const Options& options) {
  if (auto problems = check_training(model, options); !problems.empty()) return problems;
  ChannelGroups groups(model);
  if (!options.allow_empty) {
    if (auto problems = check_patterns(groups, options); !problems.empty()) return problems;
  }
  Scoped scoped = scope_groups(groups, options);
  if (std::ranges::all_of(scoped.ignored, [](bool ignored) { return ignored; })) {
    if (options.allow_empty) return {};
    std::string reason = groups.groups().empty() ? why_nothing(groups) : "every group is ignored";
    return {{"nothing can be pruned: " + reason, {}, "see `dscompress inspect MODEL --groups`"}};
  }
  if (options.reduce.channels || options.reduce.latency || options.of == Of::base) return {};  // latency must be measured, and the base is not at hand
  std::string problem = unreachable(model, groups, options, measure_base(model));
  if (problem.empty()) return {};
  return {{problem, {.pointer = "/reduce"}, kLoosenLimits}};
}

std::string unreachable(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base) {
  double reachable = reachable_reduction(model, groups, options, base);
  if (reachable >= options.reduce.share()) return "";
  return printed("a reduction of %.3f cannot be reached: at most %.3f with these limits", options.reduce.share(), reachable);
}

}  // namespace dsc::prune
