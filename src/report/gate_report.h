// What `dscompress gate` found: a run against an earlier one, the baseline.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/comparison.h"
#include "report/report.h"

namespace dsc {

inline constexpr std::int64_t kGateReportVersion = 1;

// Timings of both models in turn, in one process; or each run's own speed-up.
struct RetimedRecord {
  std::string method;               // "timed in turn", "speed-ups of the runs"
  std::string engine;
  std::int64_t batch = 1;
  std::optional<double> baseline_ms, now_ms;
  double growth = 0, low = 0, high = 0;   // share by which it is slower, with its 90 % interval
  double noise = 0;                       // share by which a model differed from itself
  std::optional<double> mann_whitney_p;
  std::optional<std::int64_t> rounds;  // none: nothing was timed
  std::string note;                    // why the noise is larger than it should be
  void fields(FieldVisitor& visit);
};

struct BaselineCheck {
  GateRecord gate;
  std::optional<double> baseline, now;
  std::optional<PairedRecord> paired;
  std::optional<RetimedRecord> retimed;
  std::string note;                 // why no interval stands beside it
  void fields(FieldVisitor& visit);
};

struct GateReport {
  std::int64_t version = kGateReportVersion;
  std::string tool_version;
  std::string run, baseline;        // paths as given
  std::string name;                 // the recipe's name
  std::string status = "passed";    // "passed", "failed", "anomalous", "first" (there was no baseline)
  double seconds = 0;
  std::vector<BaselineCheck> checks;
  std::vector<std::string> anomalies;
  std::vector<std::string> notes;
  void fields(FieldVisitor& visit);
};

std::string gate_json(const GateReport& report);
std::string gate_text(const GateReport& report);       // one line a check
std::string gate_markdown(const GateReport& report);
std::string gate_junit(const GateReport& report);

}  // namespace dsc
