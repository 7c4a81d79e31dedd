// One metric, computed batch by batch from a model's outputs.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "data/dataset.h"
#include "eval/outcomes.h"

namespace dsc {

struct Prediction {
  at::Tensor output;     // f32 on the CPU
  const Batch& batch;
  at::Tensor reference;  // the same of the base model; undefined unless the metric compares with it
};

class Metric {
 public:
  virtual ~Metric() = default;
  virtual void add(const Prediction& prediction) = 0;  // errors: data
  virtual double value() const = 0;
  virtual Outcomes outcomes() const { return {}; }
};

// The families, each in its file; null: the name is another family's.
std::unique_ptr<Metric> make_class_metric(const std::string& name);        // top1 top5 f1 macro_f1 matthews
std::unique_ptr<Metric> make_calibration_metric(const std::string& name);  // ece
std::unique_ptr<Metric> make_loss_metric(const std::string& name);         // loss perplexity
std::unique_ptr<Metric> make_regression_metric(const std::string& name);   // mse pearson spearman
std::unique_ptr<Metric> make_comparison_metric(const std::string& name);   // agreement kl
std::unique_ptr<Metric> make_answer_metric(const std::string& name, const Dataset& dataset);  // exact_match answer_f1

// Of those that are figures of the whole set, each family's; null: the name is another family's, or a mean.
Figure make_class_figure(const std::string& name, const Outcomes& outcomes);       // f1 macro_f1 matthews
Figure make_calibration_figure(const std::string& name, const Outcomes& outcomes);  // ece
Figure make_regression_figure(const std::string& name, const Outcomes& outcomes);  // pearson spearman

}  // namespace dsc
