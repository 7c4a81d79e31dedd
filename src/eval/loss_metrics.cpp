// The loss that training minimises, as a metric.
#include <ATen/ops/cross_entropy_loss.h>

#include <algorithm>
#include <cmath>

#include "dscompress/error.h"
#include "eval/metric.h"
#include "eval/regression.h"
#include "eval/rows.h"

namespace dsc {
namespace {

// Mean cross-entropy in nats over all rows with a label.
class CrossEntropy {
 public:
  void add(const Prediction& prediction) {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    rows_ += (rows.labels != kIgnoredLabel).sum().item<std::int64_t>();
    const double sum = at::cross_entropy_loss(rows.logits.to(at::kDouble), rows.labels, {}, at::Reduction::Sum, kIgnoredLabel).item<double>();
    if (!std::isfinite(sum)) fail_masked("the cross-entropy", "an example's own class has the score -inf, or all classes have");
    sum_ += sum;
  }
  double mean() const { return sum_ / static_cast<double>(std::max<std::int64_t>(1, rows_)); }

 private:
  double sum_ = 0;
  std::int64_t rows_ = 0;
};

// Cross-entropy for class labels, mean squared error for real numbers.
class Loss final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const at::Tensor& target = prediction.batch.target;
    if (target.defined() && target.is_floating_point()) squared_.add(prediction);
    else entropy_.add(prediction);
  }
  double value() const override { return squared_.empty() ? entropy_.mean() : squared_.mean(); }

 private:
  CrossEntropy entropy_;
  SquaredError squared_;
};

class Perplexity final : public Metric {
 public:
  void add(const Prediction& prediction) override { entropy_.add(prediction); }
  double value() const override { return std::exp(entropy_.mean()); }

 private:
  CrossEntropy entropy_;
};

}  // namespace

std::unique_ptr<Metric> make_loss_metric(const std::string& name) {
  if (name == "loss") return std::make_unique<Loss>();
  if (name == "perplexity") return std::make_unique<Perplexity>();
  return nullptr;
}

}  // namespace dsc
