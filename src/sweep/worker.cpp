#include "sweep/worker.h"

#include <algorithm>
#include <chrono>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "core/build_fingerprint.h"
#include "core/claim.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/metric_facts.h"
#include "exec/executor.h"
#include "exec/foreign_error.h"
#include "pipeline/checkpoint.h"
#include "pipeline/prepare.h"
#include "pipeline/step_cache.h"
#include "pipeline/trial_run.h"
#include "sweep/outcome.h"

namespace dsc::sweep {
namespace {

namespace fs = std::filesystem;

constexpr auto kIdlePoll = std::chrono::milliseconds(100);
constexpr int kMostAttempts = 25;  // of which all but the last died: it is the trial that kills them

// What is wrong with the machine is no trial's fault.
bool is_of_machine(const Error& error) {
  const bool full = error.code() == ErrorCode::resource && std::string(error.what()).find(std::strerror(ENOSPC)) != std::string::npos;
  return full || error.code() == ErrorCode::cancelled;
}

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class Worker {
 public:
  Worker(const Folder& folder, const PassTable& passes, const std::vector<std::string>& plugins)
      : folder_(folder), settings_(folder.read_settings()), constraints_(parse_constraints(settings_.constraints)), passes_(passes), plugins_(plugins), claims_(folder.claims()) {
    if (settings_.build != build_fingerprint()) {
      throw Error(ErrorCode::usage, "the sweep was started by another build of dscompress", {.file = folder.path()}, "run the build that started it: others may give other bytes");
    }
    if (!settings_.cache.empty()) cache_.emplace(settings_.cache);
  }

  void run() {
    while (!folder_.stop_reason()) {
      throw_if_interrupted();
      if (take_one()) continue;
      if (is_all_done()) return;
      std::this_thread::sleep_for(kIdlePoll);
    }
  }

 private:
  // Runs the first trial that is free. returns: whether there was one.
  bool take_one() {
    if (!complete_) {
      complete_ = folder_.is_complete();
      queued_ = folder_.queued();
    }
    for (const auto number : queued_) {
      if (is_done(number) || claims_.is_taken(Folder::trial_name(number)) || waits_for_others(number)) continue;
      const auto claim = claims_.take(Folder::trial_name(number), true);
      if (!claim || is_done(number)) continue;
      finish(number, claim->attempt());
      return true;
    }
    return false;
  }

  bool is_done(std::int64_t number) {
    if (done_.contains(number)) return true;
    if (!folder_.has_result(number)) return false;
    done_.insert(number);
    return true;
  }

  bool is_all_done() const { return complete_ && done_.size() == queued_.size(); }

  // Whether the trial's first step that nobody has computed yet is being computed: another trial is the better one to take.
  bool waits_for_others(std::int64_t number) {
    if (!cache_ || !cache_->has_leases()) return false;
    auto& keys = keys_[number];
    if (keys.empty()) {
      const auto recipe = recipe_of(number, first_seed());
      keys = state_keys(recipe, fingerprints_of(recipe, plugins_));
      keys.resize(static_cast<std::size_t>(folder_.read_trial(number).shared_states));
    }
    for (const auto& key : keys) {
      if (!cache_->has(key)) return cache_->is_leased(key);
    }
    return false;
  }

  std::optional<std::int64_t> first_seed() const { return settings_.seeds.empty() ? std::nullopt : std::optional(settings_.seeds.front()); }

  Recipe recipe_of(std::int64_t number, std::optional<std::int64_t> seed) const {
    RecipeInput input{.path = folder_.queued_recipe(number), .vars_files = {}, .overrides = {}};
    if (seed) input.overrides.push_back({"seed", std::to_string(*seed), "sweep.seeds"});
    return load_recipe(input, passes_);
  }

  void finish(std::int64_t number, int attempt) {
    const auto trial = folder_.read_trial(number);
    Result result{.number = number, .attempts = attempt, .worker = machine_id() + " " + process_id()};
    log_info("trial " + std::to_string(number) + (attempt > 1 ? ", taken over from a worker that died" : ""));
    try {
      if (attempt > kMostAttempts) throw Error(ErrorCode::resource, std::to_string(attempt - 1) + " workers died over this trial", {}, "see the logs in " + folder_.file("workers"));
      const auto reports = reports_of(trial, result);
      if (reports.back().status == "stopped") {
        result.stopped = true;
        result.reason = reports.back().notes.back();
      } else {
        judge(reports, constraints_, result);
      }
    } catch (const std::exception&) {
      const Error error = to_error(std::current_exception());
      if (is_of_machine(error)) throw error;
      log_error("trial " + std::to_string(number) + " failed: " + error.what());
      result.failed = true;
      result.reason = error.what();
    }
    folder_.write_result(result);
    claims_.clear(Folder::trial_name(number));
  }

  std::vector<Report> reports_of(const Trial& trial, Result& result) {
    std::vector<Report> reports;
    const auto run = [&](std::optional<std::int64_t> seed) {
      reports.push_back(report_of(trial, seed));
      result.seconds += reports.back().seconds;
    };
    if (settings_.seeds.empty()) run(std::nullopt);
    for (const auto seed : settings_.seeds) {
      if (reports.empty() || reports.back().status != "stopped") run(seed);
    }
    return reports;
  }

  // Of the trial's run: read when it has ended, resumed when it had begun, run otherwise.
  Report report_of(const Trial& trial, std::optional<std::int64_t> seed) {
    const auto path = folder_.run_folder(trial.number, seed);
    auto recipe = recipe_of(trial.number, seed);
    for (const auto& [parameter, value] : trial.parameters) recipe.overrides.push_back({parameter, value, "sweep"});
    set_threads(static_cast<int>(recipe.threads));
    const bool is_alone = recipe.processes == 1;
    RunOptions options{.output_dir = path, .plugins = plugins_, .cache = is_alone ? settings_.cache : "", .cached_states = trial.shared_states};
    if (settings_.stop_early && seed == first_seed()) options.stop = [&](const StepRecord& step) { return why_stop(trial.number, step); };
    if (fs::exists(CheckpointPaths(path).step)) return resume_trial(recipe, options);
    const auto file = path + "/report.json";
    if (fs::exists(file)) {
      auto report = parse_report(read_file(file), file);
      if (report.status == "passed" || report.status == "failed" || report.status == "anomalous" || report.status == "stopped") return report;
    }
    fs::remove_all(path);  // it was stopped before its first checkpoint
    return run_trial(recipe, options);
  }

  // Where the trial is worse than the median of those that have come as far.
  std::optional<std::string> why_stop(std::int64_t number, const StepRecord& step) {
    if (step.name != settings_.stop_early->after) return std::nullopt;
    const auto& metric = settings_.stop_metric;
    const double value = step.metrics.at(metric);
    folder_.write_reached(number, value);
    auto reached = folder_.reached();
    reached.erase(number);
    if (static_cast<std::int64_t>(reached.size()) < settings_.stop_early->trials) return std::nullopt;
    std::vector<double> others;
    for (const auto& [unused, other] : reached) others.push_back(other);
    const double median = median_of(std::move(others));
    if (!(fall_of(metric, median, value) > 0)) return std::nullopt;
    return "stopped early: after " + step.name + " " + metric + " is " + format_metric(metric, value) + ", and " + format_metric(metric, median) + " the median of " + std::to_string(reached.size()) + " others";
  }

  const Folder& folder_;
  Settings settings_;
  std::map<std::string, GateConfig> constraints_;
  const PassTable& passes_;
  const std::vector<std::string>& plugins_;
  ClaimBoard claims_;
  std::optional<StepCache> cache_;
  bool complete_ = false;
  std::vector<std::int64_t> queued_;
  std::set<std::int64_t> done_;
  std::map<std::int64_t, std::vector<std::string>> keys_;
};

}  // namespace

void run_worker(const Folder& folder, const PassTable& passes, const std::vector<std::string>& plugins) {
  Worker(folder, passes, plugins).run();
  log_to_file({});
}

}  // namespace dsc::sweep
