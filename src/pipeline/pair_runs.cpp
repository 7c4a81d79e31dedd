#include "pipeline/pair_runs.h"

#include <algorithm>

#include "eval/paired.h"

namespace dsc {
namespace {

const Outcomes* find_outcomes(const FinishedRun& run, const std::string& model, const std::string& metric) {
  if (!run.predictions) return nullptr;
  const auto found = run.predictions->models.find(model);
  if (found == run.predictions->models.end()) return nullptr;
  const auto outcomes = found->second.find(metric);
  return outcomes == found->second.end() ? nullptr : &outcomes->second;
}

// Each example is one row that is right or wrong.
bool is_right_or_wrong(const Outcomes& outcomes) {
  for (std::size_t i = 0; i < outcomes.value.size(); ++i) {
    if (outcomes.against[i] != 1 || (outcomes.value[i] != 0 && outcomes.value[i] != 1)) return false;
  }
  return true;
}

void count_flips(const Outcomes& first, const Outcomes& second, PairedRecord& record) {
  std::int64_t lost = 0, won = 0;
  for (std::size_t i = 0; i < first.value.size(); ++i) {
    if (first.value[i] == second.value[i]) continue;
    const bool is_lost = first.value[i] > second.value[i];
    ++(is_lost ? lost : won);
    if (is_lost && record.turned_wrong.size() < kMostFlips) record.turned_wrong.push_back(static_cast<std::int64_t>(i));
  }
  record.lost = lost;
  record.won = won;
  record.mcnemar_p = mcnemar_exact(lost, won);
}

}  // namespace

std::string common_model(const std::vector<const FinishedRun*>& runs) {
  const bool all_deployed = std::all_of(runs.begin(), runs.end(), [](const FinishedRun* run) { return !run->report.deployed.empty(); });
  return all_deployed ? kCompressedDeployed : kCompressedGraph;
}

const std::map<std::string, double>& metrics_of(const FinishedRun& run, const std::string& model) {
  return model == kCompressedDeployed ? run.report.deployed.front().metrics : run.report.steps.back().metrics;
}

std::string reason_against_comparing(const FinishedRun& first, const FinishedRun& second) {
  const auto &a = first.report.predictions, &b = second.report.predictions;
  for (const auto* run : {&first, &second}) {
    if (!run->report.predictions) return "the run " + run->path + " does not say which examples it was evaluated on";
  }
  if (a->metrics_version != b->metrics_version) return "the runs were made by versions of dscompress whose metrics mean different things";
  if (a->examples == b->examples && a->count == b->count) return {};
  return "the runs were evaluated on different examples (" + std::to_string(a->count) + " and " + std::to_string(b->count) +
         "), or on the same ones prepared in another way (normalisation, size, tokenizer)";
}

std::optional<PairedRecord> compare_outcomes(const FinishedRun& first, const FinishedRun& second, const std::string& model, const std::string& metric) {
  const auto *a = find_outcomes(first, model, metric), *b = find_outcomes(second, model, metric);
  if (!a || !b || a->size() != b->size() || !reason_against_comparing(first, second).empty()) return std::nullopt;
  PairedRecord record{.examples = a->size()};
  const auto &before = metrics_of(first, model), &after = metrics_of(second, model);
  record.difference = after.at(metric) - before.at(metric);
  const auto interval = bootstrap_difference(make_figure(metric, *a), make_figure(metric, *b), a->size(), {.confidence = kPairedConfidence});
  record.low = interval.low;
  record.high = interval.high;
  if (is_mean_of_examples(metric) && is_right_or_wrong(*a) && is_right_or_wrong(*b)) count_flips(*a, *b, record);
  return record;
}

}  // namespace dsc
