#include "nightly/night.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "core/log.h"
#include "core/printed.h"
#include "core/utc.h"
#include "exec/executor.h"
#include "nightly/candidates.h"
#include "nightly/history.h"
#include "nightly/page.h"
#include "nightly/registry.h"
#include "nightly/verdict.h"
#include "pipeline/trial_run.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// What is wrong with the candidate itself, rather than with data or machine.
bool is_fault_of_candidate(ErrorCode code) { return code == ErrorCode::model_file || code == ErrorCode::numeric || code == ErrorCode::unsupported; }

std::string now() { return utc_time("%Y-%m-%dT%H:%M:%SZ"); }

std::optional<FinishedRun> open_last_good(const Registry& registry) {
  const auto number = registry.last_good();
  return number ? std::optional(open_run(registry.version_folder(*number))) : std::nullopt;
}

void set_figures(Situation& situation, const Figures& figures) {
  for (const auto& [name, value] : figures) situation.figures[name] = value;
}

void measure_drift(const Loop& loop, const FinishedRun& run, Situation& situation, const PassTable& passes) {
  if (!any_budget_of(loop.budgets, "drift")) return;
  if (situation.traffic.examples == 0) return set_figures(situation, {{"drift", 0}, {"drift_ks", 0}});  // nothing came, nothing moved
  const auto drift = drift_of(run, situation.traffic, passes);
  set_figures(situation, {{"drift", drift.psi}, {"drift_ks", drift.ks}});
  situation.notes.push_back(printed("drift: population-stability index %.3f (%s), Kolmogorov-Smirnov %.3f (%s, p %.2g)", drift.psi, drift.psi_feature.c_str(),
                                    drift.ks, drift.ks_feature.c_str(), drift.ks_p));
}

// The last good version on what traffic there is now.
Situation look_at(const Loop& loop, const Registry& registry, const std::string& traffic_folder, const PassTable& passes) {
  Situation situation;
  if (loop.traffic) situation.traffic = gather_traffic(*loop.traffic, loop.trial.split, traffic_folder);
  situation.notes = situation.traffic.notes;
  const auto deployed = open_last_good(registry);
  if (!deployed) return situation;
  situation.last_good = registry.last_good();
  set_figures(situation, stored_figures(*deployed));
  if (situation.traffic.trial >= std::max<std::int64_t>(1, loop.trial.minimum)) {
    set_figures(situation, evaluate_version(*deployed, *trial_examples(loop, situation.traffic, *deployed, passes), passes).metrics);
  } else if (loop.traffic) {
    situation.notes.push_back("too few labelled examples for the accuracy on traffic: " + std::to_string(situation.traffic.trial));
  }
  if (any_budget_of(loop.budgets, "latency")) set_figures(situation, time_versions(loop.budgets, {&*deployed}, passes).front());
  measure_drift(loop, *deployed, situation, passes);
  situation.budgets = check_budgets(loop.budgets, situation.figures);
  return situation;
}

class Night {
 public:
  Night(const Loop& loop, const PassTable& passes, const NightOptions& options)
      : loop_(loop), passes_(passes), options_(options), registry_(made(loop)), lock_(registry_), history_(registry_.history_file()) {}

  NightResult run() {
    NightResult result;
    if (auto decision = finish_candidate()) result.decisions.push_back(std::move(*decision));
    registry_.tidy(loop_.keep.versions);
    auto situation = look_at(loop_, registry_, registry_.traffic_folder(), passes_);
    result.notes = situation.notes;
    if (!is_promoted(result) && try_candidates(situation, result)) {
      set_figures(situation, result.decisions.back().figures);
      measure_drift(loop_, *open_last_good(registry_), situation, passes_);
    }
    registry_.tidy(loop_.keep.versions);
    conclude(situation, result);
    write_loop_files(loop_, registry_, history_.rows(), result);
    registry_.end_candidate();  // until here a killed night goes on behind its last decision, and does not begin another one
    return result;
  }

 private:
  static Registry made(const Loop& loop) {
    Registry registry(loop.model.registry.path);
    registry.make();
    return registry;
  }

  static bool is_promoted(const NightResult& result) { return !result.decisions.empty() && result.decisions.back().verdict == Verdict::promoted; }

  std::int64_t next_number() const {
    std::int64_t number = registry_.next_number();
    for (const auto& row : history_.rows()) number = std::max(number, row.number + 1);
    return number;
  }

  // Goes on with what a killed night left. returns: its decision; none: nothing was left.
  std::optional<Decision> finish_candidate() {
    const auto candidate = registry_.candidate();
    if (!candidate) return std::nullopt;
    log_info("going on with version " + std::to_string(candidate->number));
    if (const auto settled = registry_.settled(candidate->number)) return record(*settled);
    const auto folder = registry_.candidate_folder(candidate->number);
    if (const auto decision = registry_.decision_in(folder)) return settle(*decision);
    const bool is_there = candidate->trigger != Trigger::checkpoint || fs::exists(candidate->weights);
    if (is_there && fingerprint_of(loop_, *candidate, registry_.last_good(), traffic()) == candidate->fingerprint) return try_candidate(*candidate);
    log_warning("what version " + std::to_string(candidate->number) + " was made from has changed since the interrupted night: it is given up");
    fs::remove_all(folder);
    registry_.end_candidate();
    return std::nullopt;
  }

  // returns: whether one was promoted.
  bool try_candidates(const Situation& situation, NightResult& result) {
    auto found = find_candidates(loop_, situation, history_, options_.force);
    result.notes.insert(result.notes.end(), found.notes.begin(), found.notes.end());
    for (auto& candidate : found.pending) {
      candidate.number = next_number();
      registry_.start_candidate(candidate);
      result.decisions.push_back(try_candidate(candidate));
      if (is_promoted(result)) return true;
    }
    return false;
  }

  Decision try_candidate(Decision decision) {
    const auto folder = registry_.candidate_folder(decision.number);
    try {
      compress(decision, folder);
      decision = decide(loop_, decision, open_run(folder), open_last_good(registry_), traffic(), passes_);
    } catch (const Error& error) {
      if (!is_fault_of_candidate(error.code())) throw;
      make_folders(folder);
      decision.verdict = Verdict::failed;
      decision.reason = error.what();
    }
    // What an incremental training saw is no drift to its result.
    if (decision.trigger == Trigger::accuracy) fs::copy_file(traffic().all_file(), folder + "/" + kKnownTraffic, fs::copy_options::overwrite_existing);
    decision.decided_at = now();
    registry_.write_decision(folder, decision);
    return settle(decision);
  }

  // As it was gathered when the candidate was started.
  Traffic traffic() const { return {.folder = registry_.traffic_folder()}; }

  RecipeInput recipe_input(const Decision& candidate) const {
    RecipeInput input{.path = loop_.when.recipe(candidate.trigger).path, .vars_files = {}, .overrides = {}};
    const auto set = [&](const char* path, const std::string& value) { input.overrides.push_back({path, value, loop_.path}); };
    if (options_.threads > 0) set("threads", std::to_string(options_.threads));
    if (candidate.trigger == Trigger::checkpoint) {
      set("model.weights", candidate.weights);
      if (!loop_.checkpoint->graph.empty()) set("model.path", loop_.checkpoint->graph.path);
    } else {
      set("vars.deployed", registry_.version_folder(registry_.last_good().value_or(0)));
      if (candidate.trigger == Trigger::accuracy) set("vars.traffic", registry_.traffic_folder());
    }
    return input;
  }

  // Runs the recipe, or goes on with it, unless it has ended.
  void compress(const Decision& candidate, const std::string& folder) {
    const bool resumable = fs::exists(folder + "/checkpoint.safetensors");
    if (!resumable && fs::exists(folder + "/report.json")) {
      const auto status = parse_report(read_file(folder + "/report.json"), folder + "/report.json").status;
      if (status == "passed" || status == "failed" || status == "anomalous") return;
    }
    const auto recipe = load_recipe(recipe_input(candidate), passes_);
    set_threads(static_cast<int>(recipe.threads));
    const RunOptions options{.output_dir = folder, .plugins = options_.plugins};
    if (resumable && resume(recipe, options)) return;
    fs::remove_all(folder);
    run_trial(recipe, options);
  }

  // returns: false, when data, recipe or program are others than the interrupted run's.
  static bool resume(const Recipe& recipe, const RunOptions& options) {
    try {
      resume_trial(recipe, options);
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::data) throw;
      log_warning(std::string("starting anew: ") + error.what());
      return false;
    }
  }

  Decision settle(const Decision& decision) {
    registry_.settle(decision);
    return record(decision);
  }

  Decision record(const Decision& decision) {
    if (!history_.has_decision(decision.number)) {
      if (decision.verdict == Verdict::promoted) registry_.link(decision.number);
      history_.add(decision);
    }
    return decision;
  }

  void conclude(const Situation& situation, NightResult& result) {
    result.last_good = registry_.last_good();
    result.figures = situation.figures;
    result.budgets = check_budgets(loop_.budgets, situation.figures);
    const bool kept = result.last_good && std::ranges::all_of(result.budgets, &GateRecord::passed);
    result.exit_status = kept ? 0 : exit_status(ErrorCode::gate);
    if (!result.decisions.empty() || !result.last_good) return;
    std::string reason;
    for (const auto& budget : result.budgets) reason += budget.passed ? "" : (reason.empty() ? "" : "; ") + budget.message;
    history_.add({.number = *result.last_good, .verdict = kept ? Verdict::healthy : Verdict::violated, .reason = reason, .decided_at = now(), .figures = result.figures});
  }

  const Loop& loop_;
  const PassTable& passes_;
  const NightOptions& options_;
  Registry registry_;
  RegistryLock lock_;
  History history_;
};

// Gone when it is not needed any more.
struct ScratchFolder {
  std::string path = (fs::temp_directory_path() / ("dscompress-nightly-" + std::to_string(::getpid()))).string();
  ~ScratchFolder() {
    std::error_code ignored;  // what is left in the temporary folder harms nobody
    fs::remove_all(path, ignored);
  }
};

}  // namespace

NightResult run_night(const Loop& loop, const PassTable& passes, const NightOptions& options) { return Night(loop, passes, options).run(); }

std::vector<std::string> plan_night(const Loop& loop, const PassTable& passes, const NightOptions& options) {
  const Registry registry(loop.model.registry.path);
  if (const auto candidate = registry.candidate()) return {"would go on with version " + std::to_string(candidate->number)};
  const ScratchFolder scratch;
  const auto situation = look_at(loop, registry, scratch.path, passes);
  const auto history = fs::exists(registry.history_file()) ? History(registry.history_file()) : History::in_memory();
  const auto found = find_candidates(loop, situation, history, options.force);
  std::vector<std::string> plan;
  for (const auto& candidate : found.pending) {
    const auto recipe = loop.when.recipe(candidate.trigger).path;
    plan.push_back("would try " + (candidate.weights.empty() ? recipe : candidate.weights + " by " + recipe) + " (" + to_text(candidate.trigger) + ")");
  }
  if (plan.empty()) plan.emplace_back("nothing to try");
  plan.insert(plan.end(), situation.notes.begin(), situation.notes.end());
  plan.insert(plan.end(), found.notes.begin(), found.notes.end());
  for (const auto& budget : situation.budgets) plan.push_back(std::string(budget.passed ? "budget kept: " : "budget violated: ") + budget.message);
  return plan;
}

std::int64_t roll_back(const Loop& loop, std::int64_t number) {
  const Registry registry(loop.model.registry.path);
  if (!registry.exists()) throw Error(ErrorCode::usage, "there is no registry", {.file = registry.folder()}, "a first night makes it");
  const RegistryLock lock(registry);
  if (number == 0) {
    const auto good = registry.last_good();
    for (const auto version : registry.versions()) number = version < good.value_or(0) ? version : number;
    if (number == 0) throw Error(ErrorCode::usage, "there is no earlier version to go back to", {.file = registry.folder()});
  }
  registry.go_back(number);
  History(registry.history_file()).add({.number = number, .verdict = Verdict::rollback, .reason = "asked for", .decided_at = now()});
  return number;
}

}  // namespace dsc
