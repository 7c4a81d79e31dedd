#include "report/sweep_tensorboard.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/printed.h"
#include "core/utc.h"
#include "report/tensorboard.h"

namespace dsc {
namespace {

// tensorboard/plugins/hparams/{plugin_data,api}.proto and google/protobuf/struct.proto: numbers of the fields that are written.
enum PluginDataField { kExperiment = 2, kSessionStart = 3, kSessionEnd = 4 };
enum ExperimentField { kCreated = 3, kParameters = 4, kMetrics = 5, kName = 6 };
enum ParameterField { kParameterName = 1, kType = 4, kChoices = 5 };
enum MetricField { kMetricName = 1, kMetricTag = 2 };
enum StartField { kValues = 1, kGroup = 4, kStartTime = 5 };
enum EndField { kStatus = 1, kEndTime = 2 };
enum MapField { kKey = 1, kMapped = 2 };
enum StructField { kNumberValue = 2, kStringValue = 3, kListValues = 1 };
enum DataType { kString = 1, kNumber = 3 };
enum SessionStatus { kSessionSucceeded = 1, kSessionFailed = 2 };

constexpr const char* kPlugin = "hparams";

WireMessage value_of(const std::string& text, bool as_number) {
  return as_number ? WireMessage().real(kNumberValue, std::strtod(text.c_str(), nullptr)) : WireMessage().text(kStringValue, text);
}

// Of version 0 of the plugin's data, which protobuf does not write.
WireMessage plugin_data(int field, const WireMessage& data) { return WireMessage().message(field, data); }

class SweepEvents {
 public:
  explicit SweepEvents(const SweepReport& report) : report_(report), start_(unix_time(report.started_at).value_or(0)) {
    for (std::size_t p = 0; p < report.parameters.size(); ++p) {
      auto& values = values_.emplace_back();
      for (const auto& trial : report.trials) {
        if (!trial.values[p].empty()) values.insert(trial.values[p]);
      }
      are_numbers_.push_back(std::ranges::all_of(values, is_numeric));
    }
  }

  std::string experiment() const {
    WireMessage experiment;
    experiment.real(kCreated, start_).text(kName, report_.name);
    for (std::size_t p = 0; p < values_.size(); ++p) experiment.message(kParameters, parameter(p));
    for (const auto& name : figure_names()) experiment.message(kMetrics, WireMessage().message(kMetricName, WireMessage().text(kMetricTag, name)));
    EventFile file(start_);
    file.add_plugin_data("_hparams_/experiment", kPlugin, plugin_data(kExperiment, experiment).bytes(), start_);
    return file.bytes();
  }

  std::string trial_events(const SweepTrial& trial) const {
    EventFile file(start_);
    WireMessage start;
    for (std::size_t p = 0; p < values_.size(); ++p) {
      if (!trial.values[p].empty())
        start.message(kValues, WireMessage().text(kKey, report_.parameters[p]).message(kMapped, value_of(trial.values[p], are_numbers_[p])));
    }
    start.text(kGroup, name_of(trial)).real(kStartTime, start_);
    file.add_plugin_data("_hparams_/session_start_info", kPlugin, plugin_data(kSessionStart, start).bytes(), start_);
    for (const auto& [name, value] : trial.figures) file.add_scalar(name, 0, value, start_ + trial.seconds);
    if (trial.status == "running") return file.bytes();
    const auto end =
        WireMessage().integer(kStatus, trial.status == "failed" ? kSessionFailed : kSessionSucceeded).real(kEndTime, start_ + trial.seconds);
    file.add_plugin_data("_hparams_/session_end_info", kPlugin, plugin_data(kSessionEnd, end).bytes(), start_ + trial.seconds);
    return file.bytes();
  }

  static std::string name_of(const SweepTrial& trial) { return printed("trial-%04lld", static_cast<long long>(trial.number)); }

 private:
  WireMessage parameter(std::size_t p) const {
    WireMessage choices;
    for (const auto& value : values_[p]) choices.message(kListValues, value_of(value, are_numbers_[p]));
    return WireMessage().text(kParameterName, report_.parameters[p]).integer(kType, are_numbers_[p] ? kNumber : kString).message(kChoices, choices);
  }

  std::set<std::string> figure_names() const {
    std::set<std::string> names;
    for (const auto& trial : report_.trials) {
      for (const auto& [name, value] : trial.figures) names.insert(name);
    }
    return names;
  }

  const SweepReport& report_;
  double start_;
  std::vector<std::set<std::string>> values_;  // of each parameter
  std::vector<bool> are_numbers_;
};

}  // namespace

std::map<std::string, std::string> sweep_events(const SweepReport& report) {
  const SweepEvents events(report);
  const std::string folder = kEventsFolder;
  std::map<std::string, std::string> files{{folder + "/events.out.tfevents.sweep", events.experiment()}};
  for (const auto& trial : report.trials) {
    if (trial.status != "waiting") files[folder + "/" + SweepEvents::name_of(trial) + "/events.out.tfevents.trial"] = events.trial_events(trial);
  }
  return files;
}

}  // namespace dsc
