#include "eval/metrics.h"

#include <ATen/Functions.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace dsc {
namespace {

// Sums over the examples seen so far; double precision, so that the order of batches does not show.
struct Sums {
  double top1 = 0, top5 = 0, loss = 0, squared_error = 0, elements = 0, agreement = 0, examples = 0;
};

bool wants(const EvaluateOptions& options, std::string_view metric) {
  return std::find(options.metrics.begin(), options.metrics.end(), metric) != options.metrics.end();
}

void check_finite(const at::Tensor& output, const Batch& batch) {
  const auto finite = at::isfinite(output.flatten(1)).all(1);
  if (finite.all().item<bool>()) return;
  const auto row = at::argmin(finite.to(at::kLong)).item<std::int64_t>();
  throw Error(ErrorCode::numeric, "the model's output is not finite for example " + std::to_string(batch.indices.at(static_cast<std::size_t>(row))), {},
              "the weights have diverged, or the input's normalisation is wrong");
}

void check_labels(const at::Tensor& target, std::int64_t classes, const Batch& batch) {
  const auto wrong = (target < 0).logical_or(target >= classes);
  if (!wrong.any().item<bool>()) return;
  const auto row = at::argmax(wrong.to(at::kLong)).item<std::int64_t>();
  throw Error(ErrorCode::data,
              "example " + std::to_string(batch.indices.at(static_cast<std::size_t>(row))) + " has label " +
                  std::to_string(target[row].item<std::int64_t>()) + ", and the model has " + std::to_string(classes) + " classes",
              {}, "check the labels, or the model's last layer");
}

// Rows of logits [rows, classes] and labels [rows]: dims between batch and classes (a sequence) count as rows.
void add_classification(const at::Tensor& output, const Batch& batch, const EvaluateOptions& options, Sums& sums) {
  const auto classes = output.size(-1);
  const auto logits = output.to(at::kFloat).reshape({-1, classes});
  const auto target = batch.target.to(at::kLong).flatten();
  check_labels(target, classes, batch);
  sums.examples += static_cast<double>(target.numel());
  if (wants(options, "top1")) sums.top1 += (logits.argmax(1) == target).sum().item<double>();
  if (wants(options, "top5")) {
    const auto best = std::get<1>(logits.topk(std::min<std::int64_t>(5, classes), 1));
    sums.top5 += (best == target.unsqueeze(1)).any(1).sum().item<double>();
  }
  if (wants(options, "loss")) sums.loss += at::cross_entropy_loss(logits.to(at::kDouble), target, {}, at::Reduction::Sum).item<double>();
}

void add_regression(const at::Tensor& output, const Batch& batch, Sums& sums) {
  const auto difference = output.to(at::kDouble).flatten() - batch.target.to(at::kDouble).flatten();
  sums.squared_error += difference.square().sum().item<double>();
  sums.elements += static_cast<double>(difference.numel());
}

Metrics finish(const Sums& sums, const EvaluateOptions& options) {
  Metrics metrics;
  for (const auto& name : options.metrics) {
    const bool of_regression = name == "mse";
    const double count = of_regression ? sums.elements : sums.examples;
    if (count == 0) {
      throw Error(ErrorCode::data, "the metric `" + name + "` cannot be computed: the data has no " + (of_regression ? "numbers" : "classes") + " as labels", {},
                  "choose metrics that fit the labels, under evaluate.metrics");
    }
    const double sum = name == "top1"   ? sums.top1
                       : name == "top5" ? sums.top5
                       : name == "loss" ? sums.loss
                       : name == "mse"  ? sums.squared_error
                                        : sums.agreement;
    metrics[name] = sum / count;
  }
  return metrics;
}

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names = {"top1", "top5", "loss", "mse", "agreement"};
  return names;
}

Metrics evaluate(Engine& engine, const Dataset& dataset, const EvaluateOptions& options) {
  c10::NoGradGuard no_gradients;
  BatchLoader loader(dataset, {.batch = options.batch, .limit = options.limit});
  const auto total = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  Sums sums;
  std::int64_t done = 0;
  while (auto batch = loader.next()) {
    const auto output = engine.run(batch->inputs).at(0);
    check_finite(output, *batch);
    if (!batch->target.defined() || batch->target.is_floating_point()) {
      if (batch->target.defined()) add_regression(output, *batch, sums);
      sums.examples += wants(options, "agreement") && !batch->target.defined() ? static_cast<double>(output.size(0)) : 0;
    } else {
      add_classification(output, *batch, options, sums);
    }
    if (options.reference && wants(options, "agreement")) {
      const auto reference = options.reference->run(batch->inputs).at(0);
      sums.agreement += (output.argmax(-1) == reference.argmax(-1)).sum().item<double>();
    }
    done += static_cast<std::int64_t>(batch->indices.size());
    if (options.progress) options.progress(done, total);
  }
  return finish(sums, options);
}

}  // namespace dsc
