#include "nightly/candidates.h"

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "core/hash.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// Why this is not tried; empty: it is.
std::string reason_to_wait(const Decision& candidate, const Situation& situation, const History& history) {
  const auto before = history.find_decision(candidate.fingerprint);
  if (!before) return {};
  const bool enough_came = before->verdict == Verdict::not_enough_data && before->more && situation.traffic.trial >= before->examples + *before->more;
  if (enough_came) return {};
  return "decided on before: " + to_text(before->verdict) + " (version " + std::to_string(before->number) + "); --force tries it again";
}

}  // namespace

std::string fingerprint_of(const Loop& loop, const Decision& candidate, std::optional<std::int64_t> last_good, const Traffic& traffic) {
  std::string parts = to_text(candidate.trigger) + fingerprint_path(loop.when.recipe(candidate.trigger).path);
  if (candidate.trigger == Trigger::checkpoint) return fingerprint(parts + fingerprint_path(candidate.weights));
  parts += std::to_string(last_good.value_or(0));
  if (candidate.trigger == Trigger::accuracy && fs::exists(traffic.train_file())) parts += fingerprint_path(traffic.train_file());
  return fingerprint(parts);
}

Candidates find_candidates(const Loop& loop, const Situation& situation, const History& history, bool force) {
  Candidates found;
  const auto consider = [&](Decision candidate, const std::string& what) {
    candidate.fingerprint = fingerprint_of(loop, candidate, situation.last_good, situation.traffic);
    const auto reason = force ? "" : reason_to_wait(candidate, situation, history);
    if (reason.empty()) found.pending.push_back(std::move(candidate));
    else found.notes.push_back(what + ": " + reason);
  };
  if (loop.checkpoint) {
    const auto files = files_by_time(loop.checkpoint->weights.path);
    if (files.empty()) found.notes.push_back("no file matches " + loop.checkpoint->weights.path);
    else consider({.trigger = Trigger::checkpoint, .weights = files.back()}, files.back());
  }
  for (const auto trigger : {Trigger::accuracy, Trigger::latency}) {
    const auto asks = [&](const GateRecord& budget) { return !budget.passed && trigger_of(budget.metric) == trigger; };
    if (!situation.last_good || loop.when.recipe(trigger).empty() || std::ranges::none_of(situation.budgets, asks)) continue;
    const auto& recipe = loop.when.recipe(trigger).path;
    if (trigger == Trigger::accuracy && situation.traffic.train == 0) found.notes.push_back(recipe + ": the traffic holds no labelled examples to train on");
    else consider({.trigger = trigger}, recipe);
  }
  return found;
}

}  // namespace dsc
