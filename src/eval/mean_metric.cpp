#include "eval/mean_metric.h"

#include <ATen/ops/full_like.h>

#include <algorithm>

namespace dsc {

void MeanMetric::add(const Prediction& prediction) {
  const RowScores rows = score(prediction);
  const auto& examples = prediction.batch.indices;
  const auto count = static_cast<std::int64_t>(examples.size());
  const at::Tensor score = rows.score.to(at::kDouble);
  const at::Tensor counted = rows.counted.defined() ? rows.counted.to(at::kDouble) : at::full_like(score, 1);
  sum_ += score.sum().item<double>();
  rows_ += counted.sum().item<double>();
  if (count == 0 || score.numel() % count != 0) return;  // a batch that does not say which examples it holds
  const at::Tensor sums = score.reshape({count, -1}).sum(1), numbers = counted.reshape({count, -1}).sum(1);
  for (std::int64_t i = 0; i < count; ++i) {
    outcomes_.set(examples[static_cast<std::size_t>(i)], sums.const_data_ptr<double>()[i], numbers.const_data_ptr<double>()[i]);
  }
}

double MeanMetric::mean() const { return sum_ / std::max(1.0, rows_); }

}  // namespace dsc
