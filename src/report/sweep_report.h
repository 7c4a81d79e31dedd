// What a sweep found: its table, its Pareto front, and which parameters matter.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dsc {

struct SweepObjective {
  std::string name;  // a metric, size, macs, parameters, latency_p50, seconds
  bool maximize = false;
};

struct SweepTrial {
  std::int64_t number = 0;
  std::string status;                     // "complete", "failed", "stopped" (early), "running", "waiting"
  std::string reason;                     // of a failure or an early stop
  std::vector<std::string> values;        // of the sweep's parameters; empty text: it has none
  std::map<std::string, double> figures;  // of a complete one, mean over seeds
  std::map<std::string, double> spread;   // standard deviation over seeds; empty: one seed
  std::map<std::string, double> judged;   // metrics on data.eval, of trials on the front that was chosen on data.valid
  std::vector<std::string> violations;    // constraints that are not met
  double seconds = 0;
  std::int64_t attempts = 0;
  std::string folder;                     // relative to the sweep's
};

struct SweepReport {
  std::string name, recipe, method, started_at;
  std::vector<std::string> parameters;
  std::vector<SweepObjective> objectives;
  std::vector<SweepTrial> trials;
  std::vector<std::string> notes;
};

bool is_numeric(const std::string& value);  // of a parameter

// Indices of the complete trials that meet all constraints and that no other such trial beats in one objective without losing in
// another, in order.
std::vector<std::size_t> pareto_front(const SweepReport& report);

// For each parameter the share of an objective's variance over the complete trials that it explains by itself: variance between
// the groups of equal values (numbers with more than eight values: of eight equally large groups) over all variance, the main effect of a functional
// analysis of variance. Between 0 and 1; empty when nothing varies.
std::vector<double> parameter_importance(const SweepReport& report, const std::string& objective);

// "280 kB", "91.20 %", "3.1 ms".
std::string format_figure(const std::string& name, double value);

std::string sweep_csv(const SweepReport& report);        // all trials
std::string sweep_front_csv(const SweepReport& report);  // without times: the same trials give the same bytes
std::vector<std::vector<std::string>> sweep_table(const SweepReport& report, const std::vector<std::size_t>& trials);  // the first row has titles
std::string sweep_summary(const SweepReport& report);    // "9 of 9 trials, 0 failed, 3 on the front"
std::string sweep_markdown(const SweepReport& report);
std::string sweep_json(const SweepReport& report);
std::string sweep_journal(const SweepReport& report);    // for optuna-dashboard; Optuna's journal, study NAME
std::string sweep_html(const SweepReport& report);       // opens offline

}  // namespace dsc
