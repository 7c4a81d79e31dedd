// optuna.journal: a sweep as Optuna's journal file, JSON lines that its JournalFileBackend and `optuna-dashboard FILE` read.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/printed.h"
#include "core/utc.h"
#include "report/sweep_report.h"

namespace dsc {
namespace {

using nlohmann::ordered_json;

// optuna/storages/journal/_storage.py: JournalOperation; optuna/trial/_state.py; optuna/study/_study_direction.py
enum JournalOperation { kCreateStudy = 0, kSetStudyAttribute = 3, kCreateTrial = 4, kSetParameter = 5, kSetState = 6, kSetUserAttribute = 8, kSetSystemAttribute = 9 };
enum JournalState { kRunning = 0, kComplete = 1, kPruned = 2, kFailed = 3, kWaiting = 4 };
enum JournalDirection { kMinimize = 1, kMaximize = 2 };

constexpr std::size_t kMostChoices = 8;  // more different numbers are a range

// "2026-11-29T14:00:00Z" and so many seconds later, as Optuna writes times.
std::string time_text(const std::string& start, double seconds) {
  const auto time = static_cast<std::int64_t>(unix_time(start).value_or(0) + std::floor(seconds));
  return utc_time("%Y-%m-%dT%H:%M:%S", time) + printed(".%06d+00:00", static_cast<int>(1e6 * (seconds - std::floor(seconds))));
}

// A parameter as a distribution of Optuna's: values to choose from, or a range of numbers.
class JournalParameter {
 public:
  JournalParameter(const SweepReport& report, std::size_t index) {
    std::set<std::string> kinds;
    for (const auto& trial : report.trials) {
      if (!trial.values[index].empty()) kinds.insert(trial.values[index]);
    }
    kinds_.assign(kinds.begin(), kinds.end());
    is_range_ = kinds_.size() > kMostChoices && std::ranges::all_of(kinds_, is_numeric);
    ordered_json attributes;
    if (is_range_) {
      std::vector<double> numbers;
      for (const auto& kind : kinds_) numbers.push_back(std::strtod(kind.c_str(), nullptr));
      const auto [low, high] = std::ranges::minmax(numbers);
      attributes = {{"step", nullptr}, {"low", low}, {"high", high}, {"log", false}};
    } else {
      attributes["choices"] = ordered_json::array();
      for (const auto& kind : kinds_) attributes["choices"].push_back(is_numeric(kind) ? ordered_json(std::strtod(kind.c_str(), nullptr)) : ordered_json(kind));
    }
    distribution_ = ordered_json{{"name", is_range_ ? "FloatDistribution" : "CategoricalDistribution"}, {"attributes", attributes}}.dump();
  }

  const std::string& distribution() const { return distribution_; }
  double internal(const std::string& value) const {
    if (is_range_) return std::strtod(value.c_str(), nullptr);
    return static_cast<double>(std::ranges::find(kinds_, value) - kinds_.begin());
  }

 private:
  std::vector<std::string> kinds_;
  bool is_range_ = false;
  std::string distribution_;
};

class Journal {
 public:
  explicit Journal(const SweepReport& report) : report_(report) {
    for (std::size_t p = 0; p < report.parameters.size(); ++p) parameters_.emplace_back(report, p);
  }

  std::string text() {
    auto directions = ordered_json::array(), names = ordered_json::array();
    for (const auto& objective : report_.objectives) {
      directions.push_back(static_cast<int>(objective.maximize ? kMaximize : kMinimize));
      names.push_back(objective.name);
    }
    add({{"op_code", kCreateStudy}, {"study_name", report_.name}, {"directions", directions}});
    add({{"op_code", kSetStudyAttribute}, {"study_id", 0}, {"system_attr", {{"study:metric_names", names}}}});
    for (std::size_t i = 0; i < report_.trials.size(); ++i) add_trial(i);
    return std::move(out_).str();
  }

 private:
  void add(ordered_json line) {
    line["worker_id"] = "dscompress";
    out_ << line.dump() << '\n';
  }

  void add_trial(std::size_t id) {
    const auto& trial = report_.trials[id];
    add({{"op_code", kCreateTrial}, {"study_id", 0}, {"datetime_start", time_text(report_.started_at, 0)}});
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      if (trial.values[p].empty()) continue;
      add({{"op_code", kSetParameter}, {"trial_id", id}, {"param_name", report_.parameters[p]}, {"param_value_internal", parameters_[p].internal(trial.values[p])},
           {"distribution", parameters_[p].distribution()}});
    }
    add({{"op_code", kSetUserAttribute}, {"trial_id", id}, {"user_attr", {{"run", trial.folder}}}});
    if (!trial.reason.empty()) add({{"op_code", kSetUserAttribute}, {"trial_id", id}, {"user_attr", {{"reason", trial.reason}}}});
    if (trial.status == "complete") add({{"op_code", kSetSystemAttribute}, {"trial_id", id}, {"system_attr", {{"constraints", {static_cast<double>(trial.violations.size())}}}}});
    add_end(id, trial);
  }

  void add_end(std::size_t id, const SweepTrial& trial) {
    if (trial.status == "running") return;
    const JournalState state = trial.status == "complete" ? kComplete : trial.status == "failed" ? kFailed : trial.status == "stopped" ? kPruned : kWaiting;
    ordered_json line{{"op_code", kSetState}, {"trial_id", id}, {"state", state}, {"values", nullptr}};
    if (state == kComplete) {
      line["values"] = ordered_json::array();
      for (const auto& objective : report_.objectives) line["values"].push_back(trial.figures.at(objective.name));
    }
    if (state != kWaiting) line["datetime_complete"] = time_text(report_.started_at, trial.seconds);
    add(std::move(line));
  }

  const SweepReport& report_;
  std::vector<JournalParameter> parameters_;
  std::ostringstream out_;
};

}  // namespace

std::string sweep_journal(const SweepReport& report) { return Journal(report).text(); }

}  // namespace dsc
