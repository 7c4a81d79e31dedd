#include "pipeline/run.h"

#include <algorithm>
#include <filesystem>

#include "core/interrupt.h"
#include "core/log.h"
#include "core/utc.h"
#include "deploy/artifact.h"
#include "eval/latency.h"
#include "exec/foreign_error.h"
#include "io/pt2.h"
#include "ir/fingerprint.h"
#include "ir/shared_copy.h"
#include "ir/verify.h"
#include "ops/cost.h"
#include "pipeline/deployment.h"
#include "pipeline/gates.h"
#include "pipeline/layer_records.h"
#include "pipeline/reproducer.h"
#include "pipeline/robustness.h"
#include "pipeline/run_log.h"
#include "pipeline/step_latency.h"
#include "pipeline/version.h"
#include "pipeline/wrong_examples.h"

namespace dsc {
namespace {

void add_result(const PassResult& result, StepRecord& record) {
  record.changed = result.changed;
  for (const auto& statistic : result.statistics) record.statistics.push_back({statistic.name, statistic.value, statistic.unit});
  for (const auto& table : result.tables) record.tables.push_back({table.name, table.columns, table.rows});
  record.notes.insert(record.notes.end(), result.notes.begin(), result.notes.end());
}

// How the run ended by its gates, and by figures that nobody should believe.
std::string judge(const std::vector<GateRecord>& gates, bool is_anomalous) {
  const bool complete = std::ranges::all_of(gates, [](const GateRecord& gate) { return gate.measured.has_value(); });
  if (is_anomalous || !complete) return "anomalous";
  return std::ranges::all_of(gates, &GateRecord::passed) ? "passed" : "failed";
}

int exit_status_of(const std::string& status) {
  if (status == "failed") return exit_status(ErrorCode::gate);
  return status == "anomalous" ? exit_status(ErrorCode::numeric) : 0;
}

}  // namespace

Ranks& ranks_of(const RunOptions& options) { return options.ranks ? *options.ranks : alone(); }

Run::Run(const Recipe& recipe, RunFolder folder, const RunOptions& options)
    : recipe_(recipe),
      folder_(std::move(folder)),
      ranks_(ranks_of(options)),
      stop_(options.stop),
      prepared_(prepare_run(recipe)),
      baseline_(baseline_index(recipe)) {
  prepared_.resources.fingerprints = fingerprints_of(recipe, options.plugins);
  if (!options.cache.empty()) {
    cache_.emplace(options.cache);
    keys_ = state_keys(recipe, prepared_.resources.fingerprints);
    keys_.resize(options.cached_states < 0 ? keys_.size() - 1 : std::min(keys_.size(), static_cast<std::size_t>(options.cached_states)));
  }
  if (folder_.is_written()) prepared_.resources.checkpoints = CheckpointPaths(folder_.path());
  prepared_.resources.ranks = &ranks_;
  prepared_.resources.base = &base_;
  prepared_.resources.after_save = [this] { folder_.write_progress(state_.report, state_.record); };
}

void Run::start() {
  begin_report();
  folder_.carry_tokenizer(tokenizer_of(recipe_), "model");
  base_ = shared_copy(prepared_.model);
  state_.record = {.index = 0, .name = "base"};
  state_.step_time = Elapsed();
  reach_state(0, [] {});
}

void Run::begin_report() {
  auto& report = state_.report;
  report.tool_version = version();
  report.name = recipe_.name;
  report.title = recipe_.report.title;
  report.recipe = recipe_.path;
  report.model = recipe_.model.path.path;
  report.machine = machine_description();
  report.threads = recipe_.threads;
  report.seed = recipe_.seed;
  report.device = recipe_.device;
  report.baseline = baseline_;
  report.started_at = utc_time("%Y-%m-%dT%H:%M:%SZ");
  for (const auto& entry : recipe_.overrides) report.overrides.push_back({entry.path, entry.value, entry.origin});
  report.notes = recipe_.notes;
  if (!ranks_.is_alone())
    report.notes.push_back(std::to_string(ranks_.size()) + " processes trained together, each with " + std::to_string(recipe_.threads) + " threads");
  for (const auto& note : prepared_.resources.model_notes) {
    if (ranks_.is_first()) log_warning(note);
    report.notes.push_back(note);
  }
  for (const auto& note : prepared_.resources.data_notes) {
    log_info(note);
    report.notes.push_back(note);
  }
}

void Run::resume() {
  state_ = read_checkpoints(CheckpointPaths(folder_.path()), prepared_.model, resume_, prepared_.resources.fingerprints);
  const bool passed_baseline = state_.finished_steps >= baseline_ && baseline_ > 0;
  base_ = passed_baseline ? read_pt2(folder_.baseline_model()) : prepare_run(recipe_).model;
  if (std::filesystem::exists(folder_.file(kPredictionsFile))) predictions_ = read_predictions(folder_.file(kPredictionsFile));
  // Also keeps the first from writing before all have read.
  check_same(ranks_, "the checkpoints", ranks_.is_alone() ? "" : std::to_string(state_.finished_steps) + " " + fingerprint_of(prepared_.model));
  log_info("resuming after step " + std::to_string(state_.finished_steps) + " of " + std::to_string(recipe_.passes.steps.size()));
}

RunSummary Run::finish() {
  for (auto i = static_cast<std::size_t>(state_.finished_steps); i < recipe_.passes.steps.size(); ++i) {
    if (const auto reason = stop_ && i > 0 ? stop_(state_.report.steps.back()) : std::nullopt) return end_early(*reason);
    run_pass(i);
  }
  // One process deploys, times and judges; the others learn how the run ended.
  RunSummary summary{.folder = folder_.path()};
  summary.exit_status = std::stoi(from_first(ranks_, [&] {
    summary = conclude();
    return std::to_string(summary.exit_status);
  }));
  return summary;
}

RunSummary Run::conclude() {
  auto& report = state_.report;
  deploy_model(recipe_, prepared_, base_, folder_, report, predictions_);
  report.predictions = predictions_.record();
  report.layers = layer_records(base_, prepared_.model);
  if (const auto found = prepared_.resources.data.find(Split::eval); found != prepared_.resources.data.end()) {
    describe_wrong(predictions_, *found->second, recipe_.data.normalize, recipe_.report.examples, report);
  }
  report.peak_memory_bytes = peak_memory_bytes();
  report.gates = check_gates(recipe_.gates, report);
  const auto anomalies = find_anomalies(report);
  report.notes.insert(report.notes.end(), anomalies.begin(), anomalies.end());
  return close(judge(report.gates, !anomalies.empty()));
}

RunSummary Run::end_early(const std::string& reason) {
  state_.report.notes.push_back(reason);
  return close("stopped");
}

RunSummary Run::close(const std::string& status) {
  auto& report = state_.report;
  report.status = status;
  report.seconds = state_.run_time.seconds();
  folder_.write_report(report);
  folder_.remove_checkpoints();
  return {folder_.path(), folder_.main_report(), report, exit_status_of(status)};
}

void Run::record_failure(const Error& error) {
  auto& report = state_.report;
  report.status = error.code() == ErrorCode::cancelled ? "interrupted" : "error";
  report.error = error.what();
  report.seconds = state_.run_time.seconds();
  folder_.write_report(report);
}

// Takes the state that step `index` leaves from the cache, or makes it with `body` and measures it.
void Run::reach_state(std::size_t index, const std::function<void()>& body) {
  if (adopt_cached(index)) return;
  std::unique_ptr<Claim> lease;
  if (index < keys_.size()) {
    lease = cache_->lease(keys_[index]);
    if (!lease && adopt_cached(index)) return;
  }
  body();
  check_same(ranks_, "after step " + state_.record.name + " the weights", ranks_.is_alone() ? "" : fingerprint_of(prepared_.model));
  auto evaluation = measure_step();
  if (index < keys_.size()) cache_->put(keys_[index], state_.record, prepared_.model, evaluation);
  finish_step(std::move(evaluation));
}

bool Run::adopt_cached(std::size_t index) {
  if (index >= keys_.size()) return false;
  auto found = cache_->find(keys_[index], prepared_.model);
  if (!found) return false;
  state_.record = std::move(found->record);
  Progress progress("step " + std::to_string(state_.record.index) + " " + state_.record.name);
  try_step(progress);  // where it was no step of another recipe that is tried
  state_.report.notes.push_back("step " + state_.record.name + " was not computed here: the step cache has it (" + keys_[index] + ")");
  log_info("step " + state_.record.name + " is taken from the step cache");
  finish_step(std::move(found->evaluation));
  return true;
}

// Verify and measure.
Evaluation Run::measure_step() {
  auto& record = state_.record;
  const auto& model = prepared_.model;
  record.seconds = state_.step_time.seconds();
  verify_or_throw(model, "step " + record.name);
  record.parameters = parameter_count(model);
  record.macs = model_cost(model).macs;
  record.size_bytes = stored_file_bytes(model);
  if (recipe_.evaluate.latency && record.index >= baseline_ && ranks_.is_first())
    time_step(recipe_, model, record.index == baseline_ ? model : base_, record);
  if (!prepared_.resources.data.contains(Split::eval)) return {};
  Progress progress("step " + std::to_string(record.index) + " " + record.name);
  auto evaluation =
      evaluate_model(model, &base_, *prepared_.resources.data.at(Split::eval), prepared_.resources, 0, [&](std::int64_t done, std::int64_t total) {
        throw_if_interrupted();
        progress.update("evaluate", done, total);
      });
  record.metrics = evaluation.metrics;
  try_step(progress);
  return evaluation;
}

void Run::try_step(Progress& progress) {
  auto& record = state_.record;
  if (!record.robustness.empty() || !tries_robustness(recipe_, record.index)) return;
  record.robustness =
      try_robustness(recipe_, prepared_.model, base_, prepared_.resources, [&](const std::string& test, std::int64_t done, std::int64_t total) {
        throw_if_interrupted();
        progress.update(test, done, total);
      });
  record.robustness_figures = figures_of(record.robustness);
}

// Record; afterwards the checkpoint says that the step is done.
void Run::finish_step(Evaluation&& evaluation) {
  auto& record = state_.record;
  const auto& model = prepared_.model;
  if (prepared_.resources.data.contains(Split::eval)) keep_predictions(record.index, std::move(evaluation));
  if (record.index == baseline_) {
    if (baseline_ > 0) base_ = shared_copy(model);
    folder_.write_baseline(base_);
  }
  folder_.write_step(state_.report, record, model);
  log_step(record);
  state_.report.steps.push_back(record);
  state_.finished_steps = record.index;
  state_.finished_stages.clear();
  state_.carried.clear();
  state_.stage.clear();
  state_.saved.reset();
  state_.record = {};
  state_.step_time = Elapsed();
  resume_ = {};
  state_.report.seconds = state_.run_time.seconds();
  if (folder_.is_written()) write_checkpoint(prepared_.resources.checkpoints.step, state_, model, prepared_.resources.fingerprints);
  folder_.write_report(state_.report);
}

// Of the model that everything is compared with, and of the last one. Before the checkpoint: a resumed run finds the file.
void Run::keep_predictions(std::int64_t index, Evaluation&& evaluation) {
  const bool is_base = index == baseline_, is_last = index == static_cast<std::int64_t>(recipe_.passes.steps.size());
  if (!is_base && !is_last) return;
  if (is_base && is_last) predictions_.keep(kBaseGraph, Evaluation(evaluation));
  predictions_.keep(is_last ? kCompressedGraph : kBaseGraph, std::move(evaluation));
  if (folder_.is_written()) write_predictions(folder_.file(kPredictionsFile), predictions_);
}

void Run::run_pass(std::size_t index) {
  const auto& step = recipe_.passes.steps[index];
  state_.record.index = static_cast<std::int64_t>(index) + 1;
  state_.record.name = step.name;
  state_.record.pass = step.info->id;
  log_info("step " + std::to_string(index + 1) + " of " + std::to_string(recipe_.passes.steps.size()) + ": " + step.name);
  reach_state(index + 1, [&] { compute_pass(index); });
}

void Run::compute_pass(std::size_t index) {
  const auto& step = recipe_.passes.steps[index];
  try {
    const auto seed = step_seed(recipe_, index);
    StepContext context(prepared_.resources, state_, resume_, step, seed, "step " + std::to_string(index + 1) + " " + step.name);
    add_result(step.info->run(prepared_.model, step.options.get(), context), state_.record);
  } catch (const std::exception&) {
    const Error error = place_below(recipe_, step_pointer(recipe_, index), to_error(std::current_exception()));
    if (folder_.is_written()) leave_reproducer(folder_.path(), recipe_, index, error, prepared_.resources.fingerprints);
    throw error;
  }
  if (!state_.record.changed && !step.allow_empty) {
    throw Error(ErrorCode::recipe, "the step " + step.name + " changed nothing", recipe_.place_of(step_pointer(recipe_, index)),
                "correct its options, remove it, or allow it with allow_empty: true");
  }
}

}  // namespace dsc
