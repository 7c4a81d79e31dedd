// What a run measured: the content of report.json, and the source of report.md, report.html and junit.xml.
//
// The field lists below are also the published schema (configs/schema/report.schema.json).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/fields.h"
#include "report/detail_records.h"

namespace dsc {

inline constexpr std::int64_t kReportVersion = 1;

struct StatisticRecord {
  std::string name;
  double value = 0;
  std::string unit;
  void fields(FieldVisitor& visit);
};
struct TableRecord {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  void fields(FieldVisitor& visit);
};
struct CurveRecord {
  std::string name;
  std::vector<double> epochs, values;
  std::vector<double> seconds = {};  // since the step began; of reports of earlier versions there are none
  void fields(FieldVisitor& visit);
};

// The metrics under one corruption or attack.
struct RobustnessRecord {
  std::string test;            // "jpeg", "pgd"
  std::int64_t severity = 0;   // of a corruption, 1 to 5; 0: an attack
  std::map<std::string, double> metrics;
  void fields(FieldVisitor& visit);
};
// What several of them come to.
struct RobustnessFigure {
  std::string name;    // "worst_top1", "corrupted_top1", "pgd_top1"
  std::string metric;  // "top1"
  double value = 0;
  void fields(FieldVisitor& visit);
};
inline constexpr const char* kWorstFigure = "worst_";

// The model as it was after one step; step 0 is the model before any pass.
struct StepRecord {
  std::int64_t index = 0;
  std::string name;    // "base", "prune"
  std::string pass;    // pass id; empty for the base
  double seconds = 0;
  bool changed = false;
  std::map<std::string, double> metrics;  // on the eval split, run by LibTorch
  std::int64_t parameters = 0;
  double macs = 0;             // of one example
  std::int64_t size_bytes = 0; // of the weights stored in their real width (.safetensors)
  std::vector<RobustnessRecord> robustness;        // empty: not tried
  std::vector<RobustnessFigure> robustness_figures;
  std::vector<StatisticRecord> statistics;
  std::vector<std::string> notes;
  std::vector<TableRecord> tables;
  std::vector<CurveRecord> curves;
  std::optional<StepLatencyRecord> latency;  // none: not timed, or before the baseline
  void fields(FieldVisitor& visit);
};

struct LatencyRecord {
  std::string model;    // "base" or "compressed"
  std::string engine;   // "libtorch f32", "openvino CPU int8+f32"
  std::int64_t batch = 1;
  std::int64_t runs = 0;
  double p50_ms = 0, p90_ms = 0, p99_ms = 0, min_ms = 0;
  double spread = 0;             // (p75 - p25) / p50
  double throughput_per_s = 0;
  void fields(FieldVisitor& visit);
};

// A language model that keeps keys and values, as it generates text.
struct GenerationRecord {
  std::string model;    // "base" or "compressed"
  std::string engine;
  std::int64_t prompt = 0, tokens = 0, rounds = 0;
  double first_token_ms = 0;
  double tokens_per_second = 0;  // behind the first
  double spread = 0;             // of it: (most - least) / median
  void fields(FieldVisitor& visit);
};

// The compressed model as it is deployed: run by another engine than the one it was trained with.
struct DeployedRecord {
  std::string engine;
  std::map<std::string, double> metrics;
  std::int64_t layers_total = 0, layers_int8 = 0;   // convolutions, linears and matrix products
  std::vector<std::string> layers_not_int8;
  std::map<std::string, std::int64_t> layers_by_device;  // of all executed layers
  std::int64_t timed_batch = 0;                          // of `layers`; 0: they were not timed
  std::vector<ExecutedLayerRecord> layers;
  void fields(FieldVisitor& visit);
};

struct FileRecord {
  std::string path;     // relative to the run folder
  std::string format;
  std::int64_t size_bytes = 0;
  std::int64_t base_size_bytes = 0;  // the base model written in the same format; 0: not measured
  std::string check;                 // how the file was checked after writing
  void fields(FieldVisitor& visit);
};

struct GateRecord {
  std::string metric;
  std::string rule;      // "max_drop 0.5pp"
  std::optional<double> measured;
  double bound = 0;
  bool passed = false;
  std::string message;   // "top1 fell by 0.31 points, 0.5 allowed"
  void fields(FieldVisitor& visit);
};

struct OverrideRecord {
  std::string path, value, origin;
  void fields(FieldVisitor& visit);
};

// Where outcomes of single examples are, and what tells whether two runs looked at the same ones.
struct PredictionsRecord {
  std::string path;              // relative to the run folder
  std::string examples;          // fingerprint of the examples
  std::int64_t count = 0;
  std::int64_t metrics_version = 0;  // raised when a metric changes its meaning
  void fields(FieldVisitor& visit);
};

struct Report {
  std::int64_t version = kReportVersion;
  std::string tool_version;
  std::string name;            // the recipe's file name without extension
  std::string title;           // the heading of what people read; empty: the name
  std::string recipe;          // path
  std::string model;           // path
  std::string status = "running";  // "passed", "failed" (a gate), "anomalous", "interrupted", "error", "stopped" (early, by a sweep)
  std::string error;
  std::string started_at;      // UTC, ISO 8601
  double seconds = 0;
  std::string machine;         // processor, cores, memory
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  std::string device;
  std::int64_t baseline = 0;   // the step that everything is compared with; 0: the model as it was loaded
  std::vector<StepRecord> steps;
  std::vector<DeployedRecord> deployed;
  std::vector<LatencyRecord> latency;
  std::vector<GenerationRecord> generation;
  std::vector<FileRecord> files;
  std::vector<GateRecord> gates;
  std::vector<LayerRecord> layers;        // with weights, in the base's order
  std::optional<ClassesRecord> classes;   // of models that choose one class for each example
  std::vector<ExampleRecord> examples;    // that went most wrong
  std::vector<OverrideRecord> overrides;
  std::optional<PredictionsRecord> predictions;
  std::int64_t peak_memory_bytes = 0;  // resident, of the run's process
  std::vector<std::string> notes;
  void fields(FieldVisitor& visit);
};

// The figures that gates and summaries compare: compressed against base. Absent: not measured.
struct Comparison {
  std::map<std::string, double> base, compressed;  // metric -> value
  std::optional<double> size_ratio;        // base bytes / compressed bytes
  std::optional<double> macs_ratio, parameters_ratio;
  std::optional<double> latency_speedup;   // LibTorch f32 p50 of the base / p50 of the deployed model, first batch
};
const StepRecord& baseline_step(const Report& report);  // precondition: there are steps
Comparison compare_ends(const Report& report);

// For each metric: worst_METRIC of all tests; corrupted_METRIC, the mean over corruptions and severities; TEST_METRIC, the mean over a
// test's severities.
std::vector<RobustnessFigure> figures_of(const std::vector<RobustnessRecord>& records);

std::string report_json(const Report& report);
Report parse_report(const std::string& json, const std::string& file);  // errors: data
std::string report_schema();
std::string report_markdown(const Report& report);
std::string report_html(const Report& report);
std::string report_junit(const Report& report);
// A few lines for the terminal.
std::string report_summary(const Report& report);

// A metric's value as people write it: accuracies as "91.73 %".
std::string format_metric(const std::string& metric, double value);
// Whether larger values of a metric are better, e.g. false for "loss".
bool larger_is_better(const std::string& metric);

}  // namespace dsc
