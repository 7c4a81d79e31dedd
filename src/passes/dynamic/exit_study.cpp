#include "passes/dynamic/exit_study.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "core/printed.h"
#include "data/dataset.h"
#include "exec/executor.h"
#include "exec/exit_rule.h"
#include "ops/cost.h"

namespace dsc::dynamic {
namespace {

constexpr std::int64_t kBatch = 64;
constexpr std::int64_t kCandidates = 200, kShown = 10;

void check_labels(const Batch& batch, const at::Tensor& scores) {
  const auto& target = batch.target;
  const bool fits =
      target.defined() && target.dim() == 1 && target.scalar_type() == at::kLong && scores.dim() == 2 && scores.size(0) == target.size(0);
  if (fits) return;
  throw Error(ErrorCode::data, "exits are judged by one class label for each example, and data.valid has none", {},
              "name the label column in data.valid");
}

double share_of(const at::Tensor& which) { return which.to(at::kDouble).mean().item<double>(); }

std::string percent(double share) { return printed("%.2f %%", 100 * share); }

// Stages alone, and summed up to each exit.
std::vector<double> sums(std::vector<double> stages) {
  std::partial_sum(stages.begin(), stages.end(), stages.begin());
  return stages;
}

struct TableText {
  Table table;
  void fields(FieldVisitor& visit) {
    visit("name", table.name, {});
    visit("columns", table.columns, {});
    visit("rows", table.rows, {});
  }
};

// Some of the candidates, evenly spread, and the chosen one, in order.
std::vector<double> shown_thresholds(const ExitRule& chosen, const ExitScores& found) {
  const auto all = candidate_thresholds(chosen.criterion, found);
  std::vector<double> shown{chosen.threshold};
  const auto count = std::min<std::int64_t>(kShown, static_cast<std::int64_t>(all.size()));
  for (std::int64_t i = 0; i < count; ++i)
    shown.push_back(all[static_cast<std::size_t>(count > 1 ? i * (static_cast<std::int64_t>(all.size()) - 1) / (count - 1) : 0)]);
  const bool rises = chosen.criterion != ExitCriterion::entropy;
  std::ranges::sort(shown, [&](double a, double b) { return rises ? a < b : a > b; });
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

}  // namespace

double ExitScores::top1(const at::Tensor& taken) const {
  std::vector<at::Tensor> choices;
  for (const auto& of_exit : scores) choices.push_back(of_exit.argmax(1));
  return share_of(at::stack(choices, 1).gather(1, taken.unsqueeze(1)).squeeze(1) == labels);
}

ExitScores score_exits(const Score& score, Split split, std::int64_t limit, PassContext& context) {
  const at::NoGradGuard no_grad;
  BatchLoader loader(context.data(split), {.batch = kBatch, .limit = limit});
  std::vector<std::vector<at::Tensor>> scores;
  std::vector<at::Tensor> labels;
  for (std::int64_t done = 0; auto batch = loader.next();) {
    context.check_cancelled();
    const auto outputs = score(batch->inputs);
    scores.resize(outputs.size());
    check_labels(*batch, outputs.back());
    for (std::size_t i = 0; i < outputs.size(); ++i) scores[i].push_back(outputs[i].to(at::kCPU, at::kFloat));
    labels.push_back(batch->target);
    context.progress("exits", ++done, loader.batch_count());
  }
  if (labels.empty()) throw Error(ErrorCode::data, "there are no examples to choose a threshold on: " + context.data(split).info().description);
  ExitScores found{.scores = {}, .labels = at::cat(labels)};
  for (const auto& of_exit : scores) found.scores.push_back(at::cat(of_exit));
  return found;
}

ExitScores score_networks(const std::vector<Model>& networks, Split split, std::int64_t limit, PassContext& context) {
  std::vector<std::unique_ptr<Executor>> executors;
  for (const Model& network : networks) executors.push_back(std::make_unique<Executor>(network, ExecutorOptions{.device = context.device()}));
  const auto score = [&](const std::vector<at::Tensor>& inputs) {
    std::vector<at::Tensor> all;
    for (const auto& executor : executors) all.push_back(executor->run(inputs).front());
    return all;
  };
  return score_exits(score, split, limit, context);
}

double top1_of(const Model& model, Split split, std::int64_t limit, PassContext& context) {
  Executor executor(model, {.device = context.device()});
  const auto score = [&](const std::vector<at::Tensor>& inputs) { return std::vector<at::Tensor>{executor.run(inputs).front()}; };
  const ExitScores alone = score_exits(score, split, limit, context);
  return alone.top1(at::zeros_like(alone.labels));
}

double ExitCosts::mean(const at::Tensor& taken) const {
  double sum = 0;
  for (std::size_t i = 0; i < until.size(); ++i) sum += share_of(taken == static_cast<std::int64_t>(i)) * until[i];
  return sum;
}

ExitCosts macs_of(const std::vector<Model>& stages, const Model& before) {
  std::vector<double> each;
  for (const Model& stage : stages) each.push_back(model_cost(stage).macs);
  return {.whole = model_cost(before).macs, .until = sums(std::move(each))};
}

ExitCosts latencies_of(const std::vector<Model>& stages, const Model& before, PassContext& context) {
  std::vector<const Model*> timed{&before};
  for (const Model& stage : stages) timed.push_back(&stage);
  auto found = context.latencies_ms(timed);
  return {.whole = found.front(), .until = sums({found.begin() + 1, found.end()})};
}

std::vector<double> candidate_thresholds(ExitCriterion criterion, const ExitScores& found) {
  const std::vector<at::Tensor> exits(found.scores.begin(), found.scores.end() - 1);
  std::vector<double> candidates;
  if (criterion == ExitCriterion::patience) {
    for (std::size_t i = 1; i <= exits.size(); ++i) candidates.push_back(static_cast<double>(i));
    return candidates;
  }
  std::vector<at::Tensor> all;
  for (const auto& scores : exits) all.push_back(sureness(criterion, scores));
  const at::Tensor sorted = std::get<0>(at::cat(all).sort());
  for (std::int64_t i = 0; i < kCandidates; ++i) {
    constexpr double kDigits = 1e5;  // those of a recipe
    candidates.push_back(std::floor(sorted[i * (sorted.size(0) - 1) / (kCandidates - 1)].item<double>() * kDigits) / kDigits);
  }
  candidates.push_back(closed_threshold(criterion, static_cast<std::int64_t>(exits.size())));
  std::ranges::sort(candidates);
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  if (criterion == ExitCriterion::entropy) std::ranges::reverse(candidates);
  return candidates;
}

double choose_threshold(ExitCriterion criterion, const ExitScores& found, const ExitCosts& costs, const Drop& drop, double reference) {
  double chosen = closed_threshold(criterion, static_cast<std::int64_t>(found.scores.size()) - 1), least = 0;
  bool any = false;
  for (const double threshold : candidate_thresholds(criterion, found)) {
    const at::Tensor taken = exits_taken({criterion, threshold}, found.scores);
    const double cost = costs.mean(taken);
    if (!drop.allows(drop.lost(reference, found.top1(taken))) || (any && cost > least)) continue;
    chosen = threshold;
    least = cost;
    any = true;
  }
  return chosen;
}

double threshold_within(ExitCriterion criterion, const ExitScores& found, const ExitCosts& costs, double share) {
  const auto candidates = candidate_thresholds(criterion, found);  // the loosest first
  double chosen = candidates.front();
  for (const double threshold : candidates) {
    if (costs.mean(exits_taken({criterion, threshold}, found.scores)) <= share * costs.whole) chosen = threshold;
  }
  return chosen;
}

void ExitChoice::fields(FieldVisitor& visit) {
  visit("threshold", threshold, {});
  visit("top1", top1, {});
  visit("end_top1", end_top1, {});
  visit("before_top1", before_top1, {});
  visit("macs", macs, {});
  visit("missed", missed, {});
  std::vector<TableText> texts;
  for (const Table& table : tables) texts.push_back({table});
  visit("tables", texts, {});
  tables.clear();
  for (const TableText& text : texts) tables.push_back(text.table);
}

ExitChoice choose_exits(ExitRule rule, const ExitLimits& limits, const ExitStudy& study) {
  const ExitScores& found = study.found;
  const ExitCosts& costs = study.latencies ? *study.latencies : study.macs;
  ExitChoice choice;
  choice.before_top1 = study.before_top1;
  choice.end_top1 = found.top1(at::full_like(found.labels, static_cast<std::int64_t>(found.scores.size()) - 1));
  const double reference = std::max(choice.before_top1, choice.end_top1);
  if (limits.max_drop) rule.threshold = choose_threshold(rule.criterion, found, costs, {"top1", *limits.max_drop}, reference);
  if (limits.max_cost) rule.threshold = threshold_within(rule.criterion, found, costs, *limits.max_cost);
  const at::Tensor taken = exits_taken(rule, found.scores);
  choice.threshold = rule.threshold;
  choice.top1 = found.top1(taken);
  choice.macs = study.macs.mean(taken) / study.macs.whole;
  const Drop drop{"top1", limits.max_drop.value_or(Quantity{100, "pp"})};
  if (!drop.allows(drop.lost(reference, choice.top1)))
    choice.missed = "no threshold keeps max_drop on data.valid: every example goes to the network's end";
  if (limits.max_cost && costs.mean(taken) > *limits.max_cost * costs.whole)
    choice.missed = "no threshold keeps max_cost on data.valid: every example leaves at the first exit, at " +
                    percent(costs.mean(taken) / costs.whole) + " of the cost";
  choice.tables = {thresholds_table(rule, study, reference), difficulty_table(rule, study)};
  return choice;
}

void record(const ExitChoice& choice, const std::string& how, PassResult& result) {
  result.statistics.insert(result.statistics.end(), {{"threshold", choice.threshold, ""},
                                                     {"valid_top1_" + how, choice.top1, "fraction"},
                                                     {"valid_top1_of_the_end", choice.end_top1, "fraction"},
                                                     {"valid_top1_before", choice.before_top1, "fraction"},
                                                     {"mean_macs", choice.macs, "fraction"}});
  result.tables.insert(result.tables.end(), choice.tables.begin(), choice.tables.end());
  if (!choice.missed.empty()) result.notes.push_back(choice.missed);
}

Table thresholds_table(const ExitRule& chosen, const ExitStudy& study, double reference) {
  Table table{"accuracy over " + to_text(chosen.criterion) + " thresholds, on data.valid", {"threshold", "top1", "lost", "mean MACs"}, {}};
  const auto& [names, found, macs, latencies, before] = study;
  if (latencies) table.columns.insert(table.columns.end(), {"mean ms", "of the whole"});
  for (const auto& name : names) table.columns.push_back("leave at " + name);
  for (const double threshold : shown_thresholds(chosen, found)) {
    const at::Tensor taken = exits_taken({chosen.criterion, threshold}, found.scores);
    const double top1 = found.top1(taken);
    std::vector<std::string> row{printed("%.5g", threshold) + (threshold == chosen.threshold ? " (chosen)" : ""), percent(top1),
                                 printed("%.2f points", 100 * (reference - top1)), percent(macs.mean(taken) / macs.whole)};
    if (latencies) row.insert(row.end(), {printed("%.3f", latencies->mean(taken)), percent(latencies->mean(taken) / latencies->whole)});
    for (std::size_t i = 0; i < names.size(); ++i) row.push_back(percent(share_of(taken == static_cast<std::int64_t>(i))));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table difficulty_table(const ExitRule& rule, const ExitStudy& study) {
  Table table{"examples by difficulty, on data.valid", {"leave at", "examples", "top1", "top1 of the network's end on them", "MACs"}, {}};
  const auto& [names, found, macs, latencies, before] = study;
  if (latencies) table.columns.emplace_back("ms");
  const at::Tensor taken = exits_taken(rule, found.scores);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const at::Tensor rows = (taken == static_cast<std::int64_t>(i)).nonzero().flatten();
    std::vector<std::string> row{names[i], std::to_string(rows.size(0)), "", "", percent(macs.until[i] / macs.whole)};
    if (rows.size(0) > 0) {
      const auto right = [&, &found = found](const at::Tensor& scores) {
        return percent(share_of(scores.index_select(0, rows).argmax(1) == found.labels.index_select(0, rows)));
      };
      row[2] = right(found.scores[i]);
      row[3] = right(found.scores.back());
    }
    if (latencies) row.push_back(printed("%.3f", latencies->until[i]));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace dsc::dynamic
