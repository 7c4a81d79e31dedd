// How close a model's predictions are to the base model's.
#include <ATen/ops/argmax.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>
#include <cmath>

#include "dscompress/error.h"
#include "eval/metric.h"
#include "eval/rows.h"

namespace dsc {
namespace {

struct Pair {
  at::Tensor mine, theirs;  // [rows, classes]; positions without a label are left out
};

Pair rows_of(const Prediction& prediction) {
  if (prediction.output.sizes() != prediction.reference.sizes()) throw Error(ErrorCode::data, "the outputs of the two models have different shapes");
  const at::Tensor& target = prediction.batch.target;
  const bool labelled = target.defined() && target.scalar_type() == at::kLong && prediction.output.dim() == target.dim() + 1;
  const at::Tensor labels = labelled ? target : at::Tensor();
  const Rows mine = make_rows(prediction.output, labels), theirs = make_rows(prediction.reference, labels);
  if (!labelled) return {mine.logits, theirs.logits};
  const at::Tensor counted = mine.labels != kIgnoredLabel;
  return {mine.logits.index({counted}), theirs.logits.index({counted})};
}

// Share of rows with the same best class.
class Agreement final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const Pair rows = rows_of(prediction);
    agreed_ += (rows.mine.argmax(1) == rows.theirs.argmax(1)).sum().item<std::int64_t>();
    rows_ += rows.mine.size(0);
  }
  double value() const override { return static_cast<double>(agreed_) / static_cast<double>(std::max<std::int64_t>(1, rows_)); }

 private:
  std::int64_t agreed_ = 0, rows_ = 0;
};

// Mean of KL(base || model) in nats.
class Divergence final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const Pair rows = rows_of(prediction);
    const at::Tensor mine = at::log_softmax(rows.mine.to(at::kDouble), 1), theirs = at::log_softmax(rows.theirs.to(at::kDouble), 1);
    const at::Tensor impossible = theirs.isneginf();  // to the base: the limit of 0 * log 0 is 0
    const double sum = (theirs.exp() * (theirs.masked_fill(impossible, 0) - mine.masked_fill(impossible, 0))).sum().item<double>();
    if (!std::isfinite(sum)) fail_masked("kl", "the model gives a class -inf that the base model does not, or all classes");
    sum_ += sum;
    rows_ += rows.mine.size(0);
  }
  double value() const override { return sum_ / static_cast<double>(std::max<std::int64_t>(1, rows_)); }

 private:
  double sum_ = 0;
  std::int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<Metric> make_comparison_metric(const std::string& name) {
  if (name == "agreement") return std::make_unique<Agreement>();
  if (name == "kl") return std::make_unique<Divergence>();
  return nullptr;
}

}  // namespace dsc
