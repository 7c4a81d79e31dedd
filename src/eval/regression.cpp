#include "eval/regression.h"

#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "data/bad_values.h"
#include "dscompress/error.h"
#include "eval/rows.h"

namespace dsc {
namespace {

double mean_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

// 0 where one of the two does not vary.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  double both = 0, own_a = 0, own_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += (a[i] - mean_a) * (b[i] - mean_b);
    own_a += (a[i] - mean_a) * (a[i] - mean_a);
    own_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return own_a > 0 && own_b > 0 ? both / std::sqrt(own_a * own_b) : 0;
}

// Ranks from 1; equal values share the mean of theirs.
std::vector<double> ranks_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end + 1) / 2;
  }
  return ranks;
}

class Mse final : public Metric {
 public:
  void add(const Prediction& prediction) override { error_.add(prediction); }
  double value() const override { return error_.mean(); }

 private:
  SquaredError error_;
};

class Correlation final : public Metric {
 public:
  explicit Correlation(bool of_ranks) : of_ranks_(of_ranks) {}
  void add(const Prediction& prediction) override {
    append(predicted_numbers(prediction), predicted_);
    append(prediction.batch.target, wanted_);
  }
  double value() const override {
    if (wanted_.empty()) return 0;
    return of_ranks_ ? correlation(ranks_of(predicted_), ranks_of(wanted_)) : correlation(predicted_, wanted_);
  }

 private:
  static void append(const at::Tensor& tensor, std::vector<double>& values) {
    const at::Tensor flat = tensor.to(at::kDouble).reshape({-1}).contiguous();
    values.insert(values.end(), flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
  }
  bool of_ranks_;
  std::vector<double> predicted_, wanted_;
};

}  // namespace

at::Tensor predicted_numbers(const Prediction& prediction) {
  const at::Tensor &output = prediction.output, &target = prediction.batch.target;
  if (!target.defined() || !target.is_floating_point()) {
    throw Error(ErrorCode::data, "metrics of regression need floating-point targets", {}, "use top1 or loss for class labels, or say `regression: true` for text");
  }
  const at::Tensor predicted = output.dim() == target.dim() + 1 && output.size(-1) == 1 ? output.squeeze(-1) : output;
  if (predicted.isneginf().any().item<bool>()) throw Error(ErrorCode::numeric, "metrics of regression need finite outputs, and the model gives -inf", {}, "the weights have diverged, or the output is a masked score: use top1 or agreement");
  if (!at::isfinite(target).all().item<bool>()) throw Error(ErrorCode::data, find_bad_input(prediction.batch, {}).value_or(Problem{"a label is not finite", {}, ""}).message, {}, "mend or remove such examples in the data");
  if (predicted.sizes() == target.sizes()) return predicted;
  throw Error(ErrorCode::data, "targets of shape " + shape_text(target) + " do not fit the model's output of shape " + shape_text(output));
}

void SquaredError::add(const Prediction& prediction) {
  const at::Tensor predicted = predicted_numbers(prediction);
  sum_ += (predicted.to(at::kDouble) - prediction.batch.target.to(at::kDouble)).square().sum().item<double>();
  count_ += predicted.numel();
}

std::unique_ptr<Metric> make_regression_metric(const std::string& name) {
  if (name == "mse") return std::make_unique<Mse>();
  if (name == "pearson" || name == "spearman") return std::make_unique<Correlation>(name == "spearman");
  return nullptr;
}

}  // namespace dsc
