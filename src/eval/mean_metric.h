// Metrics that are means over rows: examples, tokens, pixels, numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "eval/metric.h"

namespace dsc {

struct RowScores {
  at::Tensor score;    // [rows]; 0 where a row does not count
  at::Tensor counted;  // [rows] bool; undefined: every row counts
};

class MeanMetric : public Metric {
 public:
  void add(const Prediction& prediction) final;
  double value() const override { return mean(); }
  Outcomes outcomes() const final { return outcomes_; }

 protected:
  virtual RowScores score(const Prediction& prediction) const = 0;
  double mean() const;

 private:
  double sum_ = 0, rows_ = 0;
  Outcomes outcomes_;
};

}  // namespace dsc
