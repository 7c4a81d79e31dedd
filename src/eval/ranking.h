// Scores of one class against all others, in the order that they make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "eval/metric.h"

namespace dsc {

// Scores, and whether each is one of the class that is looked for.
struct Ranking {
  std::vector<double> scores;
  std::vector<bool> wanted;
  void add(double score, bool is_wanted) {
    scores.push_back(score);
    wanted.push_back(is_wanted);
  }
  double positives() const;
  double negatives() const { return static_cast<double>(wanted.size()) - positives(); }
};

// The probability that a wanted one scores higher than another, ties counting half. source: Hanley and McNeil 1982,
// doi:10.1148/radiology.143.1.7063747.
double area_under_roc(const Ranking& ranking);

// Precision at each threshold, weighted by the recall that it adds; equal scores share a threshold.
double average_precision(const Ranking& ranking);

// The highest score at which at least this share of the wanted ones scores as much. precondition: there is a wanted one.
double threshold_for(const Ranking& ranking, double recall);

// Rates at a threshold of the probability of class 1 of two: others that reach it, and those of class 1 that do not.
enum class AtThreshold : std::uint8_t { false_alarms, misses };
bool has_own_threshold(const MetricSettings& settings);
std::unique_ptr<Metric> make_threshold_metric(AtThreshold rate, const MetricSettings& settings);
Figure threshold_figure(AtThreshold rate, const Outcomes& outcomes, const MetricSettings& settings);

// Labels [N, classes] of examples that may have several, as wide as the scores. errors: data.
const at::Tensor& expect_multi_label(const Prediction& prediction, const char* metric);

}  // namespace dsc
