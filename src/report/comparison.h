// Runs side by side: the content of `dscompress compare`, and how it is shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/fields.h"

namespace dsc {

inline constexpr std::int64_t kComparisonVersion = 1;

// What two models made of the same examples: the later run against the first.
struct PairedRecord {
  std::int64_t examples = 0;
  double difference = 0, low = 0, high = 0;  // with the interval at kPairedConfidence
  std::optional<std::int64_t> lost, won;     // right-or-wrong metrics: examples that turned wrong, right
  std::optional<double> mcnemar_p;
  std::vector<std::int64_t> turned_wrong;    // indices into data.eval, the first kMostFlips
  void fields(FieldVisitor& visit);
};
inline constexpr double kPairedConfidence = 0.9;
inline constexpr std::size_t kMostFlips = 1000;

// One figure of all runs. unit: "", "bytes", "MACs", "s", "ms", "x", "parameters"; empty for metrics.
struct FigureRecord {
  std::string name;
  std::string unit;
  std::vector<std::optional<double>> values;          // one for each run
  std::vector<std::optional<PairedRecord>> paired;    // of metrics: each run against the first
  std::string note;                                   // why something is missing
  void fields(FieldVisitor& visit);
};
// The same for texts: a weight's shape and type, a recipe's value.
struct DifferenceRecord {
  std::string name;
  std::vector<std::string> values;  // "-": not there
  void fields(FieldVisitor& visit);
};
struct ComparedRun {
  std::string path, name, status, started_at, machine;
  void fields(FieldVisitor& visit);
};

struct RunComparison {
  std::int64_t version = kComparisonVersion;
  std::vector<ComparedRun> runs;
  std::vector<FigureRecord> metrics;       // of the compressed models, as they are deployed where all are
  std::vector<FigureRecord> figures;       // size, MACs, latency, memory
  std::vector<FigureRecord> steps;         // "prune: top1"
  std::vector<DifferenceRecord> layers;    // weights that differ in shape or type
  std::vector<DifferenceRecord> recipe;    // settings that differ
  std::vector<std::string> notes;
  void fields(FieldVisitor& visit);
};

std::string comparison_json(const RunComparison& comparison);
std::string comparison_markdown(const RunComparison& comparison);
std::string comparison_html(const RunComparison& comparison);

// "+0.31 points [-0.12, +0.74]": a difference with its interval, in the metric's own form.
std::string paired_text(const std::string& metric, const PairedRecord& paired);
// "p 0.23; 14 turned wrong, 20 right"; empty where nothing is right or wrong.
std::string flips_text(const PairedRecord& paired);

// One section as a table, for every form: title, columns, rows.
struct ComparisonTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
std::vector<ComparisonTable> comparison_tables(const RunComparison& comparison);

}  // namespace dsc
