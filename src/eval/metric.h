// One metric, computed batch by batch from a model's outputs.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/metric_facts.h"
#include "data/dataset.h"
#include "eval/outcomes.h"
#include "exec/engine.h"

namespace dsc {

class BertScores;   // eval/bert_score.h
class GreedyTexts;  // eval/greedy.h

struct Prediction {
  at::Tensor output;     // f32 on the CPU
  const Batch& batch;
  at::Tensor reference;  // the same of the base model; undefined unless the metric compares with it
  Engine* engine = nullptr;            // what made the output, for metrics that ask it for more
  Engine* reference_engine = nullptr;  // the base model; null unless a metric compares with it
  GreedyTexts* texts = nullptr;        // what a language model writes on, of data with references
  BertScores* meanings = nullptr;      // how near they come to the references
};

class Metric {
 public:
  virtual ~Metric() = default;
  virtual void add(const Prediction& prediction) = 0;  // errors: data
  virtual double value() const = 0;
  virtual Outcomes outcomes() const { return {}; }
};

// How a metric is computed; what else is known of it is a row of core/metric_facts.cpp.
struct MetricKind {
  std::string_view name;
  std::unique_ptr<Metric> (*make)(const Dataset& dataset, const MetricSettings& settings);
  // The metric of chosen examples, from their outcomes; null: the mean of the examples' values.
  Figure (*figure)(const Outcomes& outcomes, const MetricSettings& settings) = nullptr;
};
template <class M>
std::unique_ptr<Metric> make_metric_of(const Dataset&, const MetricSettings&) {
  return std::make_unique<M>();
}
// Of metrics that are made from their settings.
template <class M>
std::unique_ptr<Metric> make_metric_with(const Dataset&, const MetricSettings& settings) {
  return std::make_unique<M>(settings);
}

// The families, each in its file.
std::span<const MetricKind> class_metrics();        // of the class that is chosen
std::span<const MetricKind> pixel_metrics();        // of the class of each pixel
std::span<const MetricKind> ranking_metrics();      // of examples in the order of their scores
std::span<const MetricKind> multi_label_metrics();  // of several classes that may hold at once
std::span<const MetricKind> calibration_metrics();  // of probabilities against what happens
std::span<const MetricKind> loss_metrics();         // of the label's own probability
std::span<const MetricKind> regression_metrics();   // of real numbers
std::span<const MetricKind> sequence_metrics();     // of series
std::span<const MetricKind> detection_metrics();    // of boxes
std::span<const MetricKind> answer_metrics();       // of texts: spans of a context, choices
std::span<const MetricKind> generation_metrics();   // of generated texts beside reference texts
std::span<const MetricKind> comparison_metrics();   // of the base model's outputs beside the model's own

// The mean of the examples' values, which most metrics are; the outcomes must outlive it.
Figure mean_figure(const Outcomes& outcomes);

// errors: recipe, for a name that no metric has.
const MetricKind& metric_kind(const std::string& name);

}  // namespace dsc
