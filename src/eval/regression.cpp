#include "eval/regression.h"

#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "data/bad_values.h"
#include "dscompress/error.h"
#include "eval/rows.h"
#include "ir/describe.h"

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

class Mse final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override { return squared_errors(prediction); }
};

class Mae final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    const at::Tensor predicted = predicted_numbers(prediction);
    return {(predicted.to(at::kDouble) - prediction.batch.target.to(at::kDouble)).abs().reshape({-1}), {}};
  }
};

using Numbers = std::vector<double>;
using NumbersFigure = double (*)(const Numbers& predicted, const Numbers& wanted);

double pearson(const Numbers& predicted, const Numbers& wanted) { return correlation(predicted, wanted); }
double spearman(const Numbers& predicted, const Numbers& wanted) { return correlation(ranks_of(predicted), ranks_of(wanted)); }

// Coefficient of determination: the share of the wanted numbers' variance that the predictions explain, below 0 where their mean explains more.
double determination(const Numbers& predicted, const Numbers& wanted) {
  const double mean = mean_of(wanted);
  double left = 0, all = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    left += (wanted[i] - predicted[i]) * (wanted[i] - predicted[i]);
    all += (wanted[i] - mean) * (wanted[i] - mean);
  }
  return all > 0 ? 1 - left / all : left > 0 ? 0 : 1;
}

template <NumbersFigure figure>
class NumbersMetric final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const std::size_t before = wanted_.size();
    append(predicted_numbers(prediction), predicted_);
    append(prediction.batch.target, wanted_);
    const auto& examples = prediction.batch.indices;
    if (wanted_.size() != before + examples.size()) return;  // several numbers an example
    for (std::size_t i = 0; i < examples.size(); ++i) outcomes_.set(examples[i], predicted_[before + i], wanted_[before + i]);
  }
  double value() const override { return wanted_.empty() ? 0 : figure(predicted_, wanted_); }
  Outcomes outcomes() const override { return outcomes_; }

 private:
  static void append(const at::Tensor& tensor, Numbers& values) {
    const at::Tensor flat = tensor.to(at::kDouble).reshape({-1}).contiguous();
    values.insert(values.end(), flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
  }
  Numbers predicted_, wanted_;
  Outcomes outcomes_;
};

template <NumbersFigure figure>
Figure numbers_figure(const Outcomes& outcomes, const MetricSettings&) {
  return [&outcomes](std::span<const std::int64_t> examples) {
    Numbers predicted, wanted;
    for (const auto i : examples) {
      predicted.push_back(static_cast<double>(outcomes.value[static_cast<std::size_t>(i)]));
      wanted.push_back(static_cast<double>(outcomes.against[static_cast<std::size_t>(i)]));
    }
    return figure(predicted, wanted);
  };
}

template <NumbersFigure figure>
constexpr MetricKind numbers_kind(std::string_view name) {
  return {name, make_metric_of<NumbersMetric<figure>>, numbers_figure<figure>};
}

}  // namespace

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

at::Tensor predicted_numbers(const Prediction& prediction) {
  const at::Tensor &output = prediction.output, &target = prediction.batch.target;
  if (!target.defined() || !target.is_floating_point()) {
    throw Error(ErrorCode::data, "metrics of regression need floating-point targets", {}, "use top1 or loss for class labels, or say `regression: true` for text");
  }
  const at::Tensor predicted = output.dim() == target.dim() + 1 && output.size(-1) == 1 ? output.squeeze(-1) : output;
  if (predicted.isneginf().any().item<bool>()) throw Error(ErrorCode::numeric, "metrics of regression need finite outputs, and the model gives -inf", {}, "the weights have diverged, or the output is a masked score: use top1 or agreement");
  if (!at::isfinite(target).all().item<bool>()) throw Error(ErrorCode::data, find_bad_input(prediction.batch, {}).value_or(Problem{"a label is not finite", {}, ""}).message, {}, "mend or remove such examples in the data");
  if (predicted.sizes() == target.sizes()) return predicted;
  throw Error(ErrorCode::data, "targets of shape " + describe_sizes(target) + " do not fit the model's output of shape " + describe_sizes(output));
}

RowScores squared_errors(const Prediction& prediction) {
  const at::Tensor predicted = predicted_numbers(prediction);
  return {(predicted.to(at::kDouble) - prediction.batch.target.to(at::kDouble)).square().reshape({-1}), {}};
}

std::span<const MetricKind> regression_metrics() {
  static constexpr MetricKind kKinds[] = {{"mse", make_metric_of<Mse>}, numbers_kind<pearson>("pearson"), numbers_kind<spearman>("spearman"),
                                          {"mae", make_metric_of<Mae>}, numbers_kind<determination>("r2")};
  return kKinds;
}

}  // namespace dsc
