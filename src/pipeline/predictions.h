// predictions.safetensors of a run: what its models made of each example of data.eval, so that runs can be compared in pairs.
//
//   examples                     I64 [N]   fingerprint of each example as the models saw it
//   MODEL/ENGINE/METRIC          F32 [M]   correctness, score, or what was predicted (eval/outcomes.h)
//   MODEL/ENGINE/METRIC.against  F32 [M]   rows it has, or what is right; absent: one for each
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eval/metrics.h"
#include "report/report.h"

namespace dsc {

// Raised when a metric changes its meaning: outcomes of another number are not comparable.
inline constexpr std::int64_t kMetricsVersion = 1;

inline constexpr const char* kPredictionsFile = "predictions.safetensors";
inline constexpr const char* kBaseGraph = "base/graph";
inline constexpr const char* kCompressedGraph = "compressed/graph";
inline constexpr const char* kCompressedDeployed = "compressed/deployed";

struct Predictions {
  std::vector<std::int64_t> examples;
  std::map<std::string, std::map<std::string, Outcomes>> models;  // "compressed/graph" -> metric -> outcomes

  void keep(const std::string& model, Evaluation&& evaluation);
  // What report.json says of them; none: nothing was evaluated.
  std::optional<PredictionsRecord> record() const;
};

// Atomic; the same outcomes give the same bytes.
void write_predictions(const std::string& path, const Predictions& predictions);
Predictions read_predictions(const std::string& path);  // errors: model_file

}  // namespace dsc
