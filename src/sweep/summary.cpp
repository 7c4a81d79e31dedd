#include "sweep/summary.h"

#include "core/claim.h"
#include "sweep/front_eval.h"

namespace dsc::sweep {

SweepReport collect_report(const Folder& folder) {
  const auto settings = folder.read_settings();
  SweepReport report{.name = settings.name, .recipe = settings.recipe, .method = to_text(settings.method), .started_at = settings.started_at, .parameters = settings.parameters, .notes = settings.notes};
  for (const auto& [name, direction] : settings.objectives) report.objectives.push_back({name, direction == Direction::maximize});
  const auto judged = read_front_metrics(folder);
  ClaimBoard claims(folder.claims());
  for (const auto number : folder.queued()) {
    const auto planned = folder.read_trial(number);
    SweepTrial trial{.number = number, .folder = "trials/" + Folder::trial_name(number)};
    for (const auto& path : settings.parameters) {
      const auto found = planned.parameters.find(path);
      trial.values.push_back(found == planned.parameters.end() ? "" : found->second);
    }
    if (folder.has_result(number)) {
      auto result = folder.read_result(number);
      trial.status = result.failed ? "failed" : result.stopped ? "stopped" : "complete";
      trial.reason = std::move(result.reason);
      trial.figures = std::move(result.figures);
      trial.spread = std::move(result.spread);
      trial.violations = std::move(result.violations);
      trial.seconds = result.seconds;
      trial.attempts = result.attempts;
    } else {
      trial.status = claims.is_taken(Folder::trial_name(number)) ? "running" : "waiting";
    }
    if (const auto found = judged.find(number); found != judged.end()) trial.judged = found->second;
    report.trials.push_back(std::move(trial));
  }
  return report;
}

std::vector<std::string> front_runs(const Folder& folder) {
  const auto seeds = folder.read_settings().seeds;
  const auto report = collect_report(folder);
  std::vector<std::string> runs;
  for (const auto index : pareto_front(report)) runs.push_back(folder.run_folder(report.trials[index].number, seeds.empty() ? std::nullopt : std::optional(seeds.front())));
  return runs;
}

}  // namespace dsc::sweep
