#include "nightly/verdict.h"

#include <algorithm>

#include "core/printed.h"
#include "eval/paired.h"
#include "pipeline/baseline_gate.h"

namespace dsc {
namespace {

// A run as if it had been evaluated with this result.
FinishedRun judged(FinishedRun run, const Evaluation& evaluation) {
  run.report.deployed.clear();
  run.report.steps.back().metrics = evaluation.metrics;
  run.predictions.emplace();
  run.predictions->keep(kCompressedGraph, Evaluation(evaluation));
  run.report.predictions = run.predictions->record();
  return run;
}

// Old and new on the same examples.
struct Pair {
  Evaluation before, after;
};

// new - old for each example; positive is better.
std::vector<double> differences_of(const Pair& pair, const std::string& metric) {
  const auto &before = pair.before.outcomes.at(metric), &after = pair.after.outcomes.at(metric);
  const auto mean = [](const Outcomes& outcomes, std::size_t i) { return static_cast<double>(outcomes.value[i]) / std::max(1.0, static_cast<double>(outcomes.against[i])); };
  std::vector<double> differences;
  for (std::size_t i = 0; i < before.value.size(); ++i) differences.push_back((larger_is_better(metric) ? 1 : -1) * (mean(after, i) - mean(before, i)));
  return differences;
}

void compare_examples(const LoopTrial& trial, const Pair& pair, Decision& decision) {
  const auto differences = differences_of(pair, trial.metric);
  const auto test = test_non_inferiority(differences, trial.margin_value(), trial.confidence);
  decision.low = test.low;
  decision.high = test.high;
  decision.more = test.more;
  const auto bounds = printed("%s: difference %+.4f, bounds %+.4f and %+.4f at %g %%, margin %g", trial.metric.c_str(), test.difference, test.low, test.high,
                              100 * trial.confidence, trial.margin_value());
  const bool too_few = decision.examples < trial.minimum;
  if (too_few) decision.more = std::max(test.more.value_or(0), trial.minimum - decision.examples);
  using Outcome = NonInferiority::Verdict;
  if (test.verdict == Outcome::worse_than_margin) {
    decision.verdict = Verdict::kept;
    decision.reason = "worse than the last good version; " + bounds;
  } else if (too_few || test.verdict == Outcome::not_enough_data) {
    decision.verdict = Verdict::not_enough_data;
    decision.reason = bounds + "; " + (decision.more ? "about " + std::to_string(*decision.more) + " more examples needed" : "no number of examples would decide");
  } else {
    decision.verdict = Verdict::promoted;
    decision.reason = "not worse than the last good version; " + bounds;
  }
}

void add_reason(std::string& reasons, const std::string& reason) { reasons += (reasons.empty() ? "" : "; ") + reason; }

std::string reason_of_run(const FinishedRun& candidate) {
  if (candidate.report.status == "passed") return {};
  std::string reason = "its run ended as " + candidate.report.status;
  for (const auto& gate : candidate.report.gates) {
    if (!gate.passed) add_reason(reason, gate.message);
  }
  return reason;
}

// Budgets that the deployed version keeps and the candidate does not; and the one it was made for, if it does not help.
std::string reason_of_budgets(const Loop& loop, const Decision& decision) {
  std::string reasons;
  const auto before = check_budgets(loop.budgets, decision.deployed), after = check_budgets(loop.budgets, decision.figures);
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (!before[i].measured || !after[i].measured || after[i].passed) continue;
    const bool at_least = after[i].rule.starts_with("min");
    const bool helps = at_least ? *after[i].measured > *before[i].measured : *after[i].measured < *before[i].measured;
    if (before[i].passed) add_reason(reasons, "budget violated: " + after[i].message);
    else if (decision.trigger == trigger_of(after[i].metric) && decision.trigger != Trigger::checkpoint && !helps) add_reason(reasons, "it does not help: " + after[i].message);
  }
  return reasons;
}

// gates.baseline of its recipe.
std::string reason_of_baseline(const Decision& decision, const FinishedRun& candidate, const FinishedRun& last_good, const Pair& pair, const PassTable& passes) {
  const auto rules = recipe_of(candidate, passes).baseline_gates;
  if (rules.empty()) return {};
  const auto report = check_against_baseline(judged(candidate, pair.after), judged(last_good, pair.before), {.rules = rules, .passes = &passes});
  std::string reasons;
  for (const auto& check : report.checks) {
    if (!check.gate.passed) add_reason(reasons, check.gate.message);
  }
  // Recovery from what traffic has become may well be large.
  if (decision.trigger == Trigger::accuracy) return reasons;
  for (const auto& anomaly : report.anomalies) add_reason(reasons, anomaly);
  return reasons;
}

void measure_latency(const Loop& loop, const FinishedRun& candidate, const FinishedRun* last_good, Decision& decision, const PassTable& passes) {
  if (!any_budget_of(loop.budgets, "latency")) return;
  std::vector<const FinishedRun*> runs{&candidate};
  if (last_good) runs.push_back(last_good);
  const auto timed = time_versions(loop.budgets, runs, passes);
  for (const auto& [figure, value] : timed.front()) decision.figures[figure] = value;
  if (!last_good) return;
  for (const auto& [figure, value] : timed.back()) decision.deployed[figure] = value;
}

void overwrite(Figures& figures, const Metrics& metrics) {
  for (const auto& [metric, value] : metrics) figures[metric] = value;
}

Decision first_version(const Loop& loop, Decision decision, const FinishedRun& candidate, const std::optional<TrialExamples>& examples, const PassTable& passes) {
  if (examples) overwrite(decision.figures, evaluate_version(candidate, *examples, passes).metrics);
  measure_latency(loop, candidate, nullptr, decision, passes);
  decision.verdict = Verdict::promoted;
  decision.reason = "the first version";
  return decision;
}

}  // namespace

Decision decide(const Loop& loop, Decision decision, const FinishedRun& candidate, const std::optional<FinishedRun>& last_good, const Traffic& traffic,
                const PassTable& passes) {
  decision.figures = stored_figures(candidate);
  if (last_good) decision.deployed = stored_figures(*last_good);
  decision.verdict = Verdict::kept;
  decision.reason = reason_of_run(candidate);
  if (!decision.reason.empty()) return decision;
  const auto examples = trial_examples(loop, traffic, candidate, passes);
  if (!last_good) return first_version(loop, std::move(decision), candidate, examples, passes);
  if (!examples && !loop.traffic) {
    throw Error(ErrorCode::recipe, "there is nothing to compare the versions on", {.file = candidate.recipe_file()}, "add data.eval to the recipe, or traffic to the loop");
  }
  if (!examples) {
    decision.verdict = Verdict::not_enough_data;
    decision.more = std::max<std::int64_t>(1, loop.trial.minimum);
    decision.reason = "no example of the traffic has its label yet; about " + std::to_string(*decision.more) + " more examples needed";
    return decision;
  }
  const Pair pair{evaluate_version(*last_good, *examples, passes), evaluate_version(candidate, *examples, passes)};
  decision.examples = static_cast<std::int64_t>(pair.after.examples.size());
  overwrite(decision.figures, pair.after.metrics);
  overwrite(decision.deployed, pair.before.metrics);
  measure_latency(loop, candidate, &*last_good, decision, passes);
  add_reason(decision.reason, reason_of_budgets(loop, decision));
  if (auto reason = reason_of_baseline(decision, candidate, *last_good, pair, passes); !reason.empty()) add_reason(decision.reason, reason);
  if (decision.reason.empty()) compare_examples(loop.trial, pair, decision);
  return decision;
}

}  // namespace dsc
