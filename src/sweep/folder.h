// The files of a sweep. Each is written atomically, once, by whoever does the work; nothing is ever changed in place, so that a
// kill at any instant leaves a sweep to go on with.
//
//   sweep.json            what was asked for; written last when a sweep starts, so that a folder without it is no sweep
//   queue/0007.yaml       the trial's resolved recipe: later changes of the recipe file do not reach a sweep
//   queue/0007.json       its parameters; while it is there, workers may take the trial
//   queue/base.yaml       the recipe without any trial's values, with its own data.eval
//   queue/complete        no further trial will come
//   claims/0007.1         who is at it (core/claim.h)
//   trials/0007/          its run folder; with several seeds trials/0007/seed-1/
//   results/0007.json     how it ended
//   front_eval.json       the front on data.eval, where trials were judged on data.valid
//   reached/0007.json     where trials are stopped early: the metric at the step at which they are compared
//   stop                  why no further trial is to be started
//   trials.csv  front.csv  sweep.html  optuna.journal  tensorboard/    made from all of this
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/sweep_config.h"
#include "sweep/space.h"

namespace dsc::sweep {

// What sweep.json says.
struct Settings {
  std::string recipe;  // path of the file it was started from
  std::string name;
  std::string build;   // fingerprint: workers of another build would give other bytes
  std::string started_at;
  SweepMethod method = SweepMethod::grid;
  std::vector<std::string> parameters;
  std::map<std::string, Direction> objectives;
  std::string constraints;  // YAML
  ChooseOn choose_on = ChooseOn::eval;
  std::vector<std::int64_t> seeds;
  std::optional<StopEarly> stop_early;
  std::string stop_metric;  // which it compares
  SweepLimits limits;
  std::int64_t workers = 1, threads = 1;  // threads: of each worker
  std::string cache;                      // folder of the step cache; empty: none
  bool tensorboard = false;               // report.formats asks for its files
  std::vector<std::string> notes;
  // What samplers make further trials from: the recipe with all that was set from outside, and what its files were.
  std::vector<std::string> vars_files;
  std::vector<Override> overrides;
  std::map<std::string, std::string> files;  // path -> fingerprint
};

struct Trial {
  std::int64_t number = 0;  // counted from 1
  Assignment parameters;
  std::int64_t shared_states = 0;  // so many first ones (the base, what step 1 left, ...) are those of another trial too
};

struct Result {
  std::int64_t number = 0;
  bool failed = false, stopped = false;   // stopped: early, as the sweep said
  std::string reason;                     // of either
  std::map<std::string, double> figures;  // mean over seeds: metrics, size, macs, parameters, latency_p50, seconds
  std::map<std::string, double> spread;   // standard deviation over seeds; empty with one
  std::vector<std::string> violations;    // constraints that it does not meet
  double seconds = 0;
  std::int64_t attempts = 1;
  std::string worker;
};

class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  static bool is_sweep(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string queued_recipe(std::int64_t trial) const { return file("queue/" + trial_name(trial) + ".yaml"); }
  std::string run_folder(std::int64_t trial, std::optional<std::int64_t> seed) const;
  std::string claims() const { return file("claims"); }
  static std::string trial_name(std::int64_t number);  // "0007"

  // errors: usage, when the folder holds anything but what an unfinished start left.
  void check_new() const;
  void create() const;
  void write_settings(const Settings& settings) const;
  Settings read_settings() const;  // errors: usage (no sweep), data
  void write_trial(const Trial& trial, const std::string& recipe) const;
  Trial read_trial(std::int64_t number) const;
  void write_complete() const;
  bool is_complete() const;
  std::vector<std::int64_t> queued() const;  // numbers of the trials, in order
  void write_result(const Result& result) const;
  bool has_result(std::int64_t number) const;
  Result read_result(std::int64_t number) const;
  void remove_result(std::int64_t number) const;
  void write_reached(std::int64_t trial, double value) const;
  std::map<std::int64_t, double> reached() const;  // by trial
  std::optional<std::string> stop_reason() const;
  void write_stop(const std::string& reason) const;
  void remove_stop() const;
  double spent_seconds() const;  // by drivers before this one
  void write_spent_seconds(double seconds) const;

 private:
  std::string path_;
};

}  // namespace dsc::sweep
