#include "eval/metrics.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/names.h"
#include "data/matching_output.h"
#include "dscompress/error.h"
#include "eval/metric.h"

namespace dsc {
namespace {

std::unique_ptr<Metric> make_metric(const std::string& name, const Dataset& dataset) {
  for (auto* family : {make_class_metric, make_loss_metric, make_regression_metric, make_comparison_metric}) {
    if (auto metric = family(name)) return metric;
  }
  if (auto metric = make_answer_metric(name, dataset)) return metric;
  throw Error(ErrorCode::recipe, "unknown metric `" + name + "`", {}, suggest(name, metric_names()));
}

[[noreturn]] void fail_not_finite(const Engine& engine, const at::Tensor& output, const Batch& batch) {
  const at::Tensor finite = at::isfinite(output.reshape({output.dim() ? output.size(0) : 1, -1})).all(1);
  const auto row = static_cast<std::size_t>(finite.to(at::kLong).argmin().item<std::int64_t>());
  const std::int64_t example = row < batch.indices.size() ? batch.indices[row] : static_cast<std::int64_t>(row);
  throw Error(ErrorCode::numeric, engine.name() + " gives an output that is not finite for example " + std::to_string(example), {},
              "the weights have diverged, or the inputs are not normalised as the model expects");
}

at::Tensor run(Engine& engine, const Batch& batch) {
  const std::vector<at::Tensor> outputs = engine.run(batch.inputs);
  if (outputs.empty()) throw Error(ErrorCode::data, "the model has no tensor output to evaluate");
  const at::Tensor output = matching_output(outputs, batch.target).to(at::kCPU, at::kFloat);
  if (!at::isfinite(output).all().item<bool>()) fail_not_finite(engine, output, batch);
  return output;
}

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names{"top1", "top5", "f1", "macro_f1", "matthews", "loss", "perplexity", "mse", "pearson", "spearman",
                                              "exact_match", "answer_f1", "agreement", "kl"};
  return names;
}

bool compares_with_base(const std::vector<std::string>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const std::string& name) { return name == "agreement" || name == "kl"; });
}

Metrics evaluate(Engine& engine, const Dataset& dataset, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<std::pair<std::string, std::unique_ptr<Metric>>> metrics;
  for (const auto& name : options.metrics) metrics.emplace_back(name, make_metric(name, dataset));
  const bool comparing = compares_with_base(options.metrics);
  if (comparing && !options.reference) throw Error(ErrorCode::internal, "metrics that compare need a reference engine");
  LoaderOptions loading;
  loading.batch = options.batch;
  loading.limit = options.limit;
  BatchLoader loader(dataset, loading);
  const std::int64_t total = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  std::int64_t done = 0;
  while (const std::optional<Batch> batch = loader.next()) {
    const Prediction prediction{run(engine, *batch), *batch, comparing ? run(*options.reference, *batch) : at::Tensor()};
    for (auto& [name, metric] : metrics) metric->add(prediction);
    done += batch->inputs.empty() ? 0 : batch->inputs.front().size(0);
    if (options.progress) options.progress(done, total);
  }
  if (done == 0) throw Error(ErrorCode::data, "there are no examples to evaluate: " + dataset.info().description);
  Metrics values;
  for (const auto& [name, metric] : metrics) values[name] = metric->value();
  return values;
}

}  // namespace dsc
